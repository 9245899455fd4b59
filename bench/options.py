"""How a run was asked for.

Knows: the choices of the command line.  Must not know: what a part makes of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    """The same for every part."""

    quick: bool = False
    runs: int = 3
    brokers: tuple[str, ...] = ("apache", "tansu")  #: the first that runs here is the one that is quoted
    long: bool = False  #: no limit of time where a measurement may need an hour

    def size(self, full: T, quick: T) -> T:
        """A number for the full form and one for the quick one."""
        return quick if self.quick else full
