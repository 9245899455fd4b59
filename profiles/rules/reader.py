"""Strict reading of a YAML file: every value is asked for by name, everything else is a mistake with a place.

Knows: YAML.  Must not know: rules.
Scalars are texts here whatever YAML would make of them: ``en: No`` is a word, ``when: TRUE`` a condition.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from profiles.rules.place import Place, Source

LARGEST: Final = 500_000  #: characters of a file
NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,47}")

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def root(source: Source) -> Node | None:
    """The file as a tree; None, with a complaint, if it is no YAML."""
    if len(source.text) > LARGEST:
        source.complain_at(Place(1, 1), f"the file has more than {LARGEST} characters")
        return None
    try:
        node: Node | None = yaml.compose(source.text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
        source.complain_at(place, f"not YAML: {error.problem or error.context}")
    except (yaml.YAMLError, RecursionError) as error:
        source.complain_at(Place(1, 1), f"not YAML: {error}")
    else:
        if node is None:
            source.complain_at(Place(1, 1), "the file is empty")
        return node
    return None


@dataclass(frozen=True)
class Fields:
    """The entries of one mapping; whatever is asked for and is not as it should be becomes a complaint."""

    source: Source
    node: Node
    entries: dict[str, Node]

    @classmethod
    def of(cls, source: Source, node: Node, what: str, known: Sequence[str]) -> Fields:
        """Read ``node`` as a mapping with keys out of ``known``."""
        entries: dict[str, Node] = {}
        if not isinstance(node, MappingNode):
            source.complain(node, f"{what} must be a mapping with {', '.join(known)}")
            return cls(source, node, entries)
        for key, value in node.value:
            name = key.value if isinstance(key, ScalarNode) else ""
            if name not in known:
                close = get_close_matches(name, known, n=1)
                fix = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
                if isinstance(value, ScalarNode) and not value.value:
                    fix = "a text with a comma needs quotes here"
                source.complain(key, f"{what} has no {name!r}; {fix}")
            elif name in entries:
                source.complain(key, f"{name!r} stands here twice")
            else:
                entries[name] = value
        return cls(source, node, entries)

    def need(self, key: str, what: str) -> Node | None:
        """The value of ``key``; its absence is a complaint."""
        if key not in self.entries and isinstance(self.node, MappingNode):
            self.source.complain(self.node, f"{what} needs {key!r}")
        return self.entries.get(key)

    def text(self, key: str) -> str | None:
        """The value of ``key`` as a text that is not empty, or None."""
        node = self.entries.get(key)
        if node is None:
            return None
        if not isinstance(node, ScalarNode) or not node.value.strip():
            self.source.complain(node, f"{key!r} must be a text")
            return None
        return str(node.value).strip()

    def name(self, key: str, what: str) -> str | None:
        """The value of ``key``, which must be there, as a name for machines."""
        node = self.need(key, what)
        text = self.text(key)
        if node is not None and text is not None and not NAME.fullmatch(text):
            self.source.complain(node, f"{text!r} is no name: small letters, digits and _, at most 48, a letter first")
            return None
        return text

    def each(self, key: str, what: str) -> Iterator[Node]:
        """The members of the list under ``key``, which must be there and not be empty."""
        node = self.need(key, what)
        if node is None:
            return
        if not isinstance(node, SequenceNode) or not node.value:
            self.source.complain(node, f"{key!r} must be a list with at least one member")
            return
        yield from node.value
