"""A rules file, read part by part and checked as a whole.

    version: 1
    tags:
      - name: big_spender
        label: {zh: 高消费, en: Big spender}
        category: value
        enter: spend_365d >= 1000
        leave: spend_365d < 800
        owner: loyalty
    ladders:
      - name: tier
        label: {zh: 价值层级, en: Tier}
        rungs:
          - {name: gold, label: {zh: 金, en: Gold}, when: orders >= 9}
          - {name: other, label: {zh: 其他, en: Other}}

Knows: which entry of the file becomes what.  Must not know: slots, arrays, what ``links`` checks.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from yaml.nodes import Node

from profiles.layout import LADDERS
from profiles.rules.document import CATEGORIES, Document, Label, Ladder, Rung, Tag, rung_key
from profiles.rules.grammar import Formula, Unreadable, parse
from profiles.rules.links import Asked, Links
from profiles.rules.place import Source
from profiles.rules.reader import Fields, root
from profiles.rules.terms import TRUE, Rule

SHIPPED: Final = Path(__file__).parent.parent / "tags.yaml"

_FILE: Final = ("version", "tags", "ladders")
_TAG: Final = ("name", "label", "category", "enter", "leave", "owner", "action", "alert", "meaning")
_RUNG: Final = ("name", "label", "when", "until", "alert", "action")
_LADDER: Final = ("name", "label", "rungs")


def shipped() -> Document:
    """The rules that Mien comes with."""
    return load(SHIPPED.read_text(encoding="utf-8"))


def load(text: str, file: str = "tags.yaml", version: int | None = None) -> Document:
    """Read and check a rules file; ``version`` is the one it was published as, if it was, whatever the file says.

    Raises:
        RuleErrors: everything that is wrong with it, each with file, line and column.
    """
    source = Source(text.removeprefix("\ufeff"), file)
    node = root(source)
    reading = _Reading(source)
    document = reading.document(node) if node is not None else None
    reading.links.check()
    source.finish()
    if document is None:
        raise AssertionError("a file without complaints is a document")
    return document if version is None else replace(document, version=version)


class _Reading:
    """One pass through a file.  What cannot be read is complained about and left out."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.links = Links(source)
        self.rules: dict[str, Rule] = {}

    def document(self, node: Node) -> Document | None:
        fields = Fields.of(self.source, node, "a rules file", _FILE)
        version, where = fields.text("version"), fields.need("version", "a rules file")
        if where is not None and (version is None or not version.isdecimal() or not 0 < int(version) < 2**31):
            self.source.complain(where, "'version' must be a whole number from 1 on")
            return None
        tags = [self.tag(each) for each in fields.each("tags", "a rules file")]
        ladders = [self.ladder(each) for each in fields.each("ladders", "a rules file")]
        known = sorted((each for each in ladders if each), key=lambda ladder: LADDERS.index(ladder.name))
        if version is None:
            return None
        return Document(int(version), tuple(each for each in tags if each), tuple(known), self.source.text, self.rules)

    def tag(self, node: Node) -> Tag | None:
        fields = Fields.of(self.source, node, "a tag", _TAG)
        name = fields.name("name", "a tag")
        what = f"tag {name!r}" if name else "a tag"
        label, category = self.label(fields, "label", what), fields.text("category")
        where = fields.need("category", what)
        if where is not None and category not in CATEGORIES:
            known = ", ".join(f"{english} {chinese}" for english, chinese in CATEGORIES.items())
            self.source.complain(where, f"unknown category {category!r}; known: {known}")
        fields.need("enter", what)
        fields.need("owner", what)
        enter, leave, owner = self.formula(fields, "enter"), self.formula(fields, "leave"), fields.text("owner")
        action, alert = self.action(fields, what), self.policy(fields)
        meaning = self.label(fields, "meaning", what, False)
        if name is None:
            return None
        self.links.tag(name, fields.entries["name"], self.asked(fields, enter=enter, leave=leave))
        if label is None or category is None or enter is None or owner is None:
            return None
        self.rules[name] = Rule(name, enter.term, leave.term if leave else None)
        texts = fields.text("enter") or "", fields.text("leave")
        return Tag(name, label, category, *texts, owner, action, alert, meaning)

    def ladder(self, node: Node) -> Ladder | None:
        fields = Fields.of(self.source, node, "a ladder", _LADDER)
        name = fields.name("name", "a ladder")
        what = f"ladder {name!r}" if name else "a ladder"
        label, nodes = self.label(fields, "label", what), list(fields.each("rungs", what))
        if name is not None and name not in LADDERS:
            self.source.complain(fields.entries["name"], f"unknown ladder {name!r}; known: {', '.join(LADDERS)}")
            name = None
        if name is not None:
            self.links.ladder(name, fields.entries["name"])
        rungs = [self.rung(each, name or "", each is nodes[-1]) for each in nodes]
        if name is None or label is None:
            return None
        return Ladder(name, label, tuple(each for each in rungs if each))

    def rung(self, node: Node, ladder: str, last: bool) -> Rung | None:
        fields = Fields.of(self.source, node, "a rung", _RUNG)
        name = fields.name("name", "a rung")
        what = f"rung {name!r}" if name else "a rung"
        label, when, until = (
            self.label(fields, "label", what),
            self.formula(fields, "when"),
            self.formula(fields, "until"),
        )
        action, alert = self.action(fields, what), self.policy(fields)
        if last and "when" in fields.entries:
            message = "the last rung is for everybody else: it has no 'when'"
            self.source.complain(fields.entries["when"], message)
        elif not last:
            fields.need("when", what)
        if name is None:
            return None
        self.links.rung(ladder, name, fields.entries["name"], self.asked(fields, when=when, until=until))
        if label is None:
            return None
        key = rung_key(ladder, name)
        self.rules[key] = Rule(key, when.term if when else TRUE, until.term if until else None)
        return Rung(name, label, fields.text("when"), fields.text("until"), alert, action)

    def label(self, fields: Fields, key: str, what: str, needed: bool = True) -> Label | None:
        """A text in both languages."""
        node = fields.need(key, what) if needed else fields.entries.get(key)
        if node is None:
            return None
        inner = Fields.of(self.source, node, f"{key!r} of {what}", ("zh", "en"))
        zh, en = inner.text("zh"), inner.text("en")
        inner.need("zh", f"{key!r} of {what}")
        inner.need("en", f"{key!r} of {what}")
        return Label(zh, en) if zh and en else None

    def action(self, fields: Fields, what: str) -> Label | None:
        """What to do; an alert that does not say so helps nobody."""
        return self.label(fields, "action", f"{what} with an alert", "alert" in fields.entries)

    def policy(self, fields: Fields) -> str | None:
        return fields.name("alert", "") if "alert" in fields.entries else None

    def formula(self, fields: Fields, key: str) -> Formula | None:
        node, text = fields.entries.get(key), fields.text(key)
        if node is None or text is None:
            return None
        try:
            return parse(str(node.value))
        except Unreadable as error:
            for fault in error.faults:
                self.source.complain(node, *fault)
            return None

    def asked(self, fields: Fields, **formulas: Formula | None) -> Asked:
        """The formulas beside the nodes they were read from."""
        return [(fields.entries[key], formula) for key, formula in formulas.items() if formula]
