"""``tags.yaml`` as values: tags, ladders and everything a person wrote about them.

Knows: the shape of a rule.  Must not know: YAML (``parts`` reads it), slots, arrays.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from profiles.rules.terms import Rule

CATEGORIES: Final = {
    "demographic": "人口统计",
    "behaviour": "行为",
    "preference": "偏好",
    "value": "价值",
    "risk": "风险",
    "lifecycle": "生命周期",
    "channel": "渠道",
    "service": "服务",
}


@dataclass(frozen=True)
class Label:
    """The same in Chinese and in English."""

    zh: str
    en: str


@dataclass(frozen=True)
class Tag:
    """Something that is or is not true of a customer."""

    name: str
    label: Label
    category: str  #: one of CATEGORIES
    enter: str  #: SQL
    leave: str | None  #: None: it is left as soon as ``enter`` is no longer true
    owner: str
    action: Label | None = None  #: what to do about it
    alert: str | None = None  #: the policy that hears when it is entered
    meaning: Label | None = None


@dataclass(frozen=True)
class Rung:
    """One place on a ladder."""

    name: str
    label: Label
    when: str | None  #: SQL; None for the last one, where everybody else stands
    until: str | None = None  #: who stands here stays while it is not true, even if ``when`` no longer is
    alert: str | None = None
    action: Label | None = None


@dataclass(frozen=True)
class Ladder:
    """Places of which every customer has exactly one: the first whose ``when`` is true."""

    name: str
    label: Label
    rungs: tuple[Rung, ...]


def rung_key(ladder: str, rung: str) -> str:
    """What a rung is called where tags and rungs stand together; a tag goes by its name, which has no dot."""
    return f"{ladder}.{rung}"


@dataclass(frozen=True)
class Document:
    """One version of all rules; ``load`` is the way to a checked one."""

    version: int
    tags: tuple[Tag, ...]
    ladders: tuple[Ladder, ...]  #: in the order of ``layout.LADDERS``
    text: str  #: the file, to the letter
    rules: dict[str, Rule] = field(repr=False)  #: what the conditions mean, by tag and by ``ladder.rung``
