"""The dictionary: the tags and ladders of a version of the rules with how many customers each holds, and all features.

Knows: rules, the catalogue of features.  Must not know: where counts come from, HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from profiles.features import FEATURES
from profiles.rules import Label, RuleBook
from profiles.view import Text


class TagLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One tag of the dictionary, with how many customers hold it now."""

    name: str
    label: Text
    category: str
    enter: str
    leave: str | None
    owner: str
    customers: int
    meaning: Text | None = None
    action: Text | None = None
    alert: str | None = None


class RungLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One rung of a ladder, with how many customers stand on it now."""

    name: str
    label: Text
    when: str
    until: str | None
    customers: int
    action: Text | None = None
    alert: str | None = None


class LadderLine(msgspec.Struct, frozen=True):
    """One ladder of the dictionary."""

    name: str
    label: Text
    rungs: tuple[RungLine, ...]


class TagDictionary(msgspec.Struct, frozen=True):
    """All live rules."""

    version: int
    customers: int
    tags: tuple[TagLine, ...]
    ladders: tuple[LadderLine, ...]


class FeatureLine(msgspec.Struct, frozen=True):
    """One line of the data dictionary."""

    name: str
    zh: str
    unit: str
    group: str
    meaning: str
    silence: str


def tag_dictionary(book: RuleBook, counts: Mapping[str, int]) -> TagDictionary:
    """All rules of a book; ``counts`` are customers by ``tag:<name>`` and ``<ladder>:<rung>``."""
    return TagDictionary(
        version=book.version,
        customers=sum(n for name, n in counts.items() if name.startswith("tier:")),
        tags=tuple(
            TagLine(
                name=tag.name,
                label=_text(tag.label),
                category=tag.category,
                enter=tag.enter,
                leave=tag.leave,
                owner=tag.owner,
                customers=counts.get(f"tag:{tag.name}", 0),
                meaning=_text(tag.meaning) if tag.meaning else None,
                action=_text(tag.action) if tag.action else None,
                alert=tag.alert,
            )
            for tag in book.document.tags
        ),
        ladders=tuple(
            LadderLine(
                name=ladder.name,
                label=_text(ladder.label),
                rungs=tuple(
                    RungLine(
                        name=rung.name,
                        label=_text(rung.label),
                        when=rung.when or "TRUE",
                        until=rung.until,
                        customers=counts.get(f"{ladder.name}:{rung.name}", 0),
                        action=_text(rung.action) if rung.action else None,
                        alert=rung.alert,
                    )
                    for rung in ladder.rungs
                ),
            )
            for ladder in book.document.ladders
        ),
    )


def feature_lines() -> list[FeatureLine]:
    """The data dictionary."""
    return [FeatureLine(f.name, f.zh, f.unit.value, f.group, f.meaning, f.silence.value) for f in FEATURES]


def _text(label: Label) -> Text:
    return Text(label.zh, label.en)
