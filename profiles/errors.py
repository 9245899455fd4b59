"""What can go wrong, divided by whose fault it is.

MienError
├── Rejected      theirs: the record cannot be used; it becomes a dead letter with its bytes
├── RuleError     theirs: a tags.yaml that may not go live; the old one stays
├── LayoutError   ours: a stored profile that this code cannot read
├── ModelMismatch ours: params, state or features made for another list of inputs
└── StoreError    the world's or a race
    ├── Stale     somebody else advanced the bucket; reload and step again
    └── StoreDown the store is away; wait and try again
"""

from __future__ import annotations


class MienError(Exception):
    """Base of every error that Mien raises on purpose."""


class Rejected(MienError):
    """A record that can never become an update.

    ``reason`` is a short stable code for counting (``invalid_json``), ``detail`` a sentence for people.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class RuleError(MienError):
    """A rule that may not go live; says where it is and what would mend it."""

    def __init__(self, message: str, *, file: str = "", line: int = 0, column: int = 0) -> None:
        super().__init__(f"{file}:{line}:{column}: {message}" if file else message)
        self.message = message
        self.file = file
        self.line = line
        self.column = column


class LayoutError(MienError):
    """A stored profile was written under a layout that is unknown here."""


class ModelMismatch(MienError):
    """Params, a learner's state or features that do not fit the model they are given to; the last good one stays."""


class StoreError(MienError):
    """Something between the fold and the store."""


class Stale(StoreError):
    """The checkpoint moved: another worker wrote this bucket, or the store went back in time."""

    def __init__(self, bucket: int, expected: int, stored: int) -> None:
        super().__init__(f"bucket {bucket}: expected version {expected}, the store has {stored}")
        self.bucket = bucket
        self.expected = expected
        self.stored = stored


class StoreDown(StoreError):
    """The store did not answer."""
