"""Whose events a bucket lets in: nobody's who was suppressed, however they got as far as here.

Intake turns them away as well, as soon as it hears; but what was under way then ends here, at the bucket's only writer,
so an erased customer cannot come back.
Knows: hashes of names.  Must not know: why somebody is suppressed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from profiles import inputs, quarantine
from profiles.identity.messages import Absorb, Restore, Told
from profiles.identity.names import owner_and_part
from profiles.store.vault import CUSTOMER
from streams import metrics

if TYPE_CHECKING:
    from profiles.store.base import ProfileStore
    from streams.sift import Placed


class Gate:
    """One bucket's."""

    def __init__(self, number: int, store: ProfileStore, blind: Callable[[str, str], str] | None) -> None:
        self._number = number
        self._store = store
        self._blind = blind
        self._shut: set[str] | None = None  #: hashes of names; None: not read yet

    async def open(self) -> None:
        """Know who is suppressed; raises what the store raises, and until then nobody is let in."""
        if self._shut is None:
            self._shut = await self._store.suppressed(self._number)

    def close(self) -> None:
        """Ask again: another state of the store may be the truth."""
        self._shut = None

    def obey(self, order: inputs.Erase) -> None:
        """From here on, as it says."""
        if self._shut is None or order.suppress is None:
            return
        (self._shut.update if order.suppress else self._shut.difference_update)(order.subjects.values())

    def pass_on(self, batches: Sequence[Placed]) -> list[Placed]:
        """The batches without anything of those who are suppressed."""
        if self._shut is None:
            raise RuntimeError("nobody is let in before it is known who must not be")
        if not self._shut:
            return list(batches)
        return [(offset, self._without(batch)) for offset, batch in batches]

    def hear(self, told: Sequence[Told]) -> tuple[list[Told], list[Told]]:
        """Messages that may be heard, and what is answered to others: whoever retired into a suppressed one is back."""
        heard = [each for each in told if not self._is_shut(each.to)] if self._shut else list(told)
        kept = {id(each) for each in heard}
        turned = (each for each in told if id(each) not in kept)
        return heard, [Restore(one.part, one.to, one.generation, one.at) for one in turned if isinstance(one, Absorb)]

    def _without(self, batch: inputs.Batch) -> inputs.Batch:
        gone = frozenset(name for name in batch.profiles if self._is_shut(name))
        if not gone:
            return batch
        events = quarantine.events_of(batch, gone)
        metrics.SUPPRESSED.inc(len(events))
        return quarantine.without(batch, events)

    def _is_shut(self, label: str) -> bool:
        if self._blind is None or self._shut is None:
            return False
        return any(self._blind(CUSTOMER, name) in self._shut for name in owner_and_part(label) if name)
