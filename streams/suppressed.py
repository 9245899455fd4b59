"""Who is suppressed, as intake knows it: read whole before the first event, and again whenever an order was obeyed.

It may hear a second late; what it lets through then ends at the bucket's gate (``streams.gate``).
Knows: hashes of names.  Must not know: Kafka, orders.
"""

from __future__ import annotations

from collections.abc import Sequence

from profiles.store.erasure import Obeyed, Regulations
from profiles.store.vault import Vault


class Suppressed:
    """The customers of all buckets of whom nothing may be taken."""

    def __init__(self, regulations: Regulations, vault: Vault, buckets: int) -> None:
        self._regulations = regulations
        self._vault = vault
        self._buckets = range(buckets)
        self._hashes: frozenset[str] = frozenset()
        self._seen: Sequence[Obeyed] = ()

    async def refresh(self) -> bool:
        """Look whether anything was ordered since; then customers' keys are read anew as well: some are destroyed.

        Returns whether orders were obeyed, or are not any more.

        If an older store came back, the keys that were made here are put back into it.

        Raises:
            StoreDown: the store does not answer.
        """
        seen, before = await self._regulations.obeyed(self._buckets), self._seen
        if any(map(_older, before, seen)):
            await self._vault.restore()
        elif any(now.receipts != was.receipts for was, now in zip(before, seen, strict=False)):
            self._vault.forget()
        changed = [now.receipts for now in seen] != [was.receipts for was in before]
        if changed:
            self._hashes = await self._regulations.suppressed(self._buckets)
        self._seen = seen
        return changed

    def __call__(self, name: str) -> bool:
        """Whether nothing of this customer may be taken."""
        return bool(self._hashes) and self._vault.field_of(name) in self._hashes


def _older(was: Obeyed, now: Obeyed) -> bool:
    return now.receipts < was.receipts or (now.receipts == was.receipts and now.keys < was.keys)
