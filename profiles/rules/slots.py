"""The number by which each tag and each rung is stored in a customer's vector, for ever.

Knows: that a number once given is never given to another.  Must not know: what a tag means.
A name that is no longer in the file keeps its number, so that customers who still have it can be told apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from profiles.errors import RuleError
from profiles.layout import TAGS
from profiles.rules.document import Document, rung_key


def assign_slots(document: Document, previous: Mapping[str, int]) -> dict[str, int]:
    """``previous`` with a number for everything new in ``document``: tags among tags, rungs within their ladder.

    Raises:
        RuleError: there is no room for another tag, because retired ones keep theirs.
    """
    slots = dict(previous)
    for key in _keys(document):
        if key not in slots:
            slots[key] = 1 + max((slot for name, slot in slots.items() if _family(name) == _family(key)), default=-1)
            if _family(key) == "" and slots[key] >= TAGS:
                retired = sorted(set(filter(_is_tag, slots)) - {tag.name for tag in document.tags})
                raise RuleError(
                    f"no room for tag {key!r}: a customer has room for {TAGS}, and {len(retired)} retired ones keep"
                    f" theirs ({', '.join(retired[:5])} ...); give a retired name a new meaning instead"
                )
    return slots


def _keys(document: Document) -> Iterator[str]:
    yield from (tag.name for tag in document.tags)
    yield from (rung_key(ladder.name, rung.name) for ladder in document.ladders for rung in ladder.rungs)


def _family(key: str) -> str:
    """The ladder of a rung; empty for a tag."""
    return key.rpartition(".")[0]


def _is_tag(key: str) -> bool:
    return _family(key) == ""
