"""Where in a rules file something stands, and everything that is wrong with the file told at once.

Knows: YAML nodes and how a text inside one lies in the file.  Must not know: what rules mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from yaml.nodes import Node, ScalarNode

from profiles.errors import MienError, RuleError


class RuleErrors(MienError):
    """A rules file that may not go live, with everything that is wrong with it.

    ``errors`` are in the order of the file; the text has one line for each.
    """

    def __init__(self, errors: Sequence[RuleError]) -> None:
        self.errors = tuple(sorted(errors, key=lambda error: (error.line, error.column)))
        super().__init__("\n".join(str(error) for error in self.errors))


class Place(NamedTuple):
    """Line and column, both counted from 1, in characters."""

    line: int
    column: int


@dataclass
class Source:
    """One rules file, and the complaints about it so far."""

    text: str
    file: str
    errors: list[RuleError] = field(default_factory=list)

    def place(self, node: Node, offset: int = 0) -> Place:
        """Where character ``offset`` of a node's value stands in the file."""
        index = node.start_mark.index
        if isinstance(node, ScalarNode):
            index += _stretch(node, self.text[index : node.end_mark.index], offset)
        before = self.text.rfind("\n", 0, index) + 1
        return Place(self.text.count("\n", 0, index) + 1, index - before + 1)

    def complain(self, node: Node, message: str, offset: int = 0) -> None:
        """Remember what is wrong at ``offset`` of ``node``."""
        self.complain_at(self.place(node, offset), message)

    def complain_at(self, place: Place, message: str) -> None:
        """Remember what is wrong at ``place``."""
        self.errors.append(RuleError(message, file=self.file, line=place.line, column=place.column))

    def finish(self) -> None:
        """Raise all complaints together.

        Raises:
            RuleErrors: there was at least one.
        """
        if self.errors:
            raise RuleErrors(self.errors)


def _stretch(node: ScalarNode, raw: str, offset: int) -> int:
    """How far into ``raw``, the node as written, character ``offset`` of its value lies.

    Folding, indentation and quotes only add blanks and quotes, so both texts have the same other characters in the
    same order.  (A column behind an escape in double quotes is the one thing that may be off.)
    """
    at = raw.find("\n") + 1 if node.style in ("|", ">") else len(node.style or "")
    for i, char in enumerate(node.value[: offset + 1]):
        found = -1 if char.isspace() else raw.find(char, at)
        if found >= 0:
            at = found if i == offset else found + 1
    return min(at, max(len(raw) - 1, 0))
