"""What the parts of a rules file ask of each other: tags of tags, rungs of ladders.

Knows: who asks whom, and that ladders are decided before tags, each after the ones before it.
Must not know: how anything is decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from yaml.nodes import Node

from profiles.features import FEATURES, INDEX
from profiles.layout import LADDERS, TAGS
from profiles.operators import Op
from profiles.rules.grammar import Formula, Mention
from profiles.rules.place import Place, Source
from profiles.rules.terms import Asks
from profiles.rules.vocabulary import nearest

Asked = list[tuple[Node, Formula]]


def in_order(asks: Mapping[str, Iterable[str]]) -> tuple[list[str], list[str]]:
    """Names so that each comes after those it asks about, and the names for which that is impossible.

    >>> in_order({"a": ["b"], "b": [], "c": ["c"]})
    (['b', 'a'], ['c'])
    """
    done: dict[str, None] = {}
    waiting = list(asks)
    while ready := [name for name in waiting if all(other in done or other not in asks for other in asks[name])]:
        done.update(dict.fromkeys(ready))
        waiting = [name for name in waiting if name not in done]
    return list(done), waiting


@dataclass
class Links:
    """The names a file declares and asks about; complains about those that do not fit together."""

    source: Source
    tags: dict[str, Asked] = field(default_factory=dict)
    tag_nodes: dict[str, Node] = field(default_factory=dict)
    rungs: dict[str, dict[str, Asked]] = field(default_factory=dict)

    def tag(self, name: str, node: Node, asked: Asked) -> None:
        """Declare a tag and what its conditions ask."""
        if name in self.tags:
            self.source.complain(node, f"there are two tags {name!r}")
        elif len(self.tags) == TAGS:
            self.source.complain(node, f"more than {TAGS} tags; a customer has room for no more")
        self.tags[name] = asked
        self.tag_nodes[name] = node

    def ladder(self, name: str, node: Node) -> None:
        """Declare a ladder."""
        if name in self.rungs:
            self.source.complain(node, f"there are two ladders {name!r}")
        self.rungs[name] = {}

    def rung(self, ladder: str, name: str, node: Node, asked: Asked) -> None:
        """Declare a rung and what its conditions ask."""
        rungs = self.rungs.setdefault(ladder, {})
        if name in rungs:
            self.source.complain(node, f"ladder {ladder!r} has two rungs {name!r}")
        rungs[name] = asked

    def check(self) -> None:
        """Complain about everything that is asked and not there, or comes too late to be asked."""
        for ladder in LADDERS:
            if self.tags and ladder not in self.rungs:
                self.source.complain_at(Place(1, 1), f"ladder {ladder!r} is missing")
            for asked in self.rungs.get(ladder, {}).values():
                self._mentions(asked, ladder)
        for asked in self.tags.values():
            self._mentions(asked, None)
        self._cycles()

    def _mentions(self, asked: Asked, ladder: str | None) -> None:
        for node, formula in asked:
            for mention in formula.mentions:
                message = self._wrong(mention, ladder)
                if message:
                    self.source.complain(node, message, mention.offset)

    def _wrong(self, mention: Mention, ladder: str | None) -> str:
        """What is wrong with one question, asked by a tag or, if ``ladder`` is given, by one of its rungs."""
        what = mention.what
        if isinstance(what, Asks):
            if ladder is not None:
                return "ladders are decided before tags, so a rung cannot ask HAS: write the tag's condition itself"
            return "" if what.tag in self.tags else f"unknown tag {what.tag!r}{nearest(what.tag, self.tags)}"
        if FEATURES[INDEX[what.feature]].op is not Op.RUNG:
            return ""
        if ladder is not None and LADDERS.index(what.feature) > LADDERS.index(ladder):
            return f"{what.feature} is decided after {ladder}, so {ladder} cannot ask about it"
        known = self.rungs.get(what.feature, {})
        if not isinstance(what.limit, str) or what.limit in known or not known:
            return ""
        fix = nearest(what.limit, known) or f"; known: {', '.join(known)}"
        return f"ladder {what.feature!r} has no rung {what.limit!r}{fix}"

    def _cycles(self) -> None:
        asks = {
            name: [m.what.tag for _, formula in asked for m in formula.mentions if isinstance(m.what, Asks)]
            for name, asked in self.tags.items()
        }
        for name in in_order(asks)[1]:
            if _returns(name, asks):
                self.source.complain(self.tag_nodes[name], f"tag {name!r} asks, perhaps through others, about itself")


def _returns(start: str, asks: Mapping[str, Iterable[str]]) -> bool:
    seen: set[str] = set()
    ahead = list(asks[start])
    while ahead:
        name = ahead.pop()
        if name == start:
            return True
        if name not in seen:
            seen.add(name)
            ahead.extend(asks.get(name, ()))
    return False
