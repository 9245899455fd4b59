"""Private traits of a stretch, sealed before it travels.

Knows: where in a draft a trait stands.  Must not know: Kafka, where keys are kept.
Events with private traits are few: a customer says a phone number when signing up, not with every view.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from profiles.inputs import Draft
from profiles.store.vault import Vault


class Private(NamedTuple):
    """What one event says that nobody may read: its masks stand in the patch ``event`` of ``draft``."""

    draft: Draft
    event: int
    owner: str
    traits: tuple[tuple[str, str], ...]


async def seal(found: Sequence[Private], vault: Vault) -> None:
    """Put a sealed trait in the place of each mask.

    Raises:
        StoreDown: the store does not answer; nothing was changed, and the same call may be made again.
    """
    keys = await vault.keys_for({one.owner for one in found})
    for one in found:
        key, plain = keys[one.owner], dict(one.traits)
        one.draft.patches[one.event] = tuple(
            (name, key.seal(one.owner, name, str(mask), plain[name]) if name in plain else mask)
            for name, mask in one.draft.patches[one.event]
        )
