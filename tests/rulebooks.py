"""Small rules files for tests, written the way people write them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from profiles.rules import RuleBook, assign_slots, compile_rules, load

Conditions = str | tuple[str, str]  #: to enter, or to enter and to leave


def text_of(tags: Mapping[str, Conditions], **ladders: Sequence[Mapping[str, str]]) -> str:
    """A rules file with these tags; ladders that are not given have one rung each."""
    steps = {name: list(ladders.get(name, [{"name": "all"}])) for name in ("stage", "rfm", "tier")}
    document: dict[str, Any] = {
        "version": 3,
        "tags": [_tag(name, conditions) for name, conditions in tags.items()],
        "ladders": [
            {"name": name, "label": _label(name), "rungs": [{"label": _label(rung["name"]), **rung} for rung in rungs]}
            for name, rungs in steps.items()
        ],
    }
    return json.dumps(document, ensure_ascii=False, indent=2)  # JSON is YAML


def book_of(tags: Mapping[str, Conditions], **ladders: Sequence[Mapping[str, str]]) -> RuleBook:
    """The same, compiled."""
    document = load(text_of(tags, **ladders))
    return compile_rules(document, assign_slots(document, {}))


def _tag(name: str, conditions: Conditions) -> dict[str, Any]:
    enter, leave = (conditions, None) if isinstance(conditions, str) else conditions
    tag = {"name": name, "label": _label(name), "category": "value", "enter": enter, "owner": "somebody"}
    return tag if leave is None else {**tag, "leave": leave}


def _label(name: str) -> dict[str, str]:
    return {"zh": f"标签 {name}", "en": f"Label {name}"}
