"""What a verification found, in a form that people and machines can read.

Knows: kinds of differences, counts, a few examples of each.  Must not know: how anything was compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

EXAMPLES: Final = 5  #: kept of each kind

#: kind -> what it means; the kinds are the interface of ``mien verify --json`` and never change their meaning
KINDS: Final[Mapping[str, str]] = {
    "lost": "an accepted record that no profile has and that nobody is about to apply",
    "made_up": "an input or a profile that no accepted record explains",
    "changed": "an input that is not what intake makes of its record",
    "dead_letter": "a refused record without its dead letter, or a dead letter that no refused record explains",
    "position": "a checkpoint whose offsets, cursors or counters are not those of the log",
    "profile": "a profile that is missing, or cannot be read",
    "fact": "a number in a stored profile that is not what its inputs add up to",
    "oracle": "a feature that is not what pandas makes of the raw events",
    "tag": "a tag held, or not held, or since another moment, than replaying the log says",
    "ladder": "a customer on another rung, or since another moment",
    "due": "another moment at which silence next changes something",
    "snapshot": "another moment for the next sample",
    "evaluation": "another moment, rules version or number of the last decision",
    "rule": "a tag or rung that contradicts its condition on the customer's features",
    "due_index": "the due index and the profile do not say the same",
    "tag_index": "the members of a tag and the profiles do not say the same",
    "count": "the counter of a tag, a rung, a step or a return is not what the customers add up to",
    "sidecar": "traits in words that are not the latest ones told",
    "name": "a code without its text",
    "timeline": "a timeline that does not tell what happened",
    "gap": "a sequence number that was given and never told",
    "told": "a transition or sample that is not what replaying the log says",
    "identity": "two ids that an event shows together and that are neither one customer nor refused to be",
    "alert": "a transition that led to no alert and no refusal, or to more than one",
    "delivery": "an alert that was sent twice",
}


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it should be."""

    kind: str  #: one of KINDS
    where: str  #: the customer, or the bucket, topic and offset
    what: str
    stored: str
    expected: str


@dataclass
class Report:
    """Everything that was found, counted by kind."""

    by_kind: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[Difference]] = field(default_factory=dict)
    compared: Counter[str] = field(default_factory=Counter)  #: what was compared -> how many
    left_out: Counter[str] = field(default_factory=Counter)  #: what could not be compared, and why -> how many
    unable: list[str] = field(default_factory=list)  #: what stands in the way of any judgement, and the fix

    @property
    def differences(self) -> int:
        return sum(self.by_kind.values())

    @property
    def code(self) -> int:
        """Exit code: 0 equal, 1 differences, 2 something that matters could not be judged."""
        return 1 if self.differences else 2 if self.unable else 0

    def differs(self, kind: str, where: str, what: str, stored: object, expected: object, n: int = 1) -> None:
        """Note ``n`` differences of a kind, with one example."""
        if kind not in KINDS:
            raise KeyError(kind)
        self.by_kind[kind] += n
        shown = self.examples.setdefault(kind, [])
        if len(shown) < EXAMPLES:
            shown.append(Difference(kind, where, what, _short(stored), _short(expected)))

    def cannot(self, reason: str) -> None:
        """Something that matters cannot be judged; ``reason`` names the fix."""
        if reason not in self.unable:
            self.unable.append(reason)

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "verdict": ("equal", "different", "cannot judge")[self.code],
            "differences": self.differences,
            "by_kind": dict(sorted(self.by_kind.items())),
            "compared": dict(sorted(self.compared.items())),
            "left_out": {what: count for what, count in sorted(self.left_out.items()) if count},
            "cannot_judge": self.unable,
            "examples": [msgspec.to_builtins(one) for kind in sorted(self.examples) for one in self.examples[kind]],
        }


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 200 else f"{text[:197]}..."
