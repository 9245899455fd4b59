"""Personal data in plain: with a scope of its own, for a reason, and on record before it is shown.

Knows: paths, what goes on record.  Must not know: how traits are sealed, how the record is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from fastapi import APIRouter, Request, Response

from api.house import House, house_of
from api.keys import allowed, given_key
from api.openapi import refuses, shows, takes
from api.problems import Refusal, unknown
from api.respond import body_of, ok
from api.routes.profiles import ProfileId, profile_id
from api.shapes import Plain, RevealWish
from profiles.access import Key
from profiles.privacy import scrubbed
from profiles.reveal import Revealer
from profiles.store.vault import Vault
from profiles.vault.audit import Act

router = APIRouter(tags=["privacy"], responses=refuses(400, 401, 403, 413, 422, 503))
_decode: Final = msgspec.json.Decoder(RevealWish).decode


@router.post(
    "/v1/profiles/{profile}/reveal",
    summary="Personal traits in plain",
    responses=shows(Plain, "As the customer told them.") | refuses(404, 409),
    openapi_extra=takes(RevealWish),
)
async def reveal(request: Request, profile: ProfileId) -> Response:
    """Needs the scope `pii:reveal`, which `admin` does not include, and a reason.

    Whoever asks is written to the audit log first, whether they get something or not.
    """
    house, key = house_of(request), await known(request)
    name, wish = profile_id(profile), RevealWish([], "")
    try:
        await allowed(request, given_key(request), "pii:reveal")
        wish = await body_of(request, _decode)
        found = await (await house.reader()).find(name)
        if found is None:
            raise unknown("unknown_profile", "profile", name)
        name, vault = found.profile, await _sealing(house)  # whoever the id belongs to
    except Refusal as refusal:
        await record(house, key, "reveal", [name], wish.fields, wish.reason, refusal.code)
        raise
    plain = await Revealer(house.store, vault, house.settings.buckets).reveal(name, wish.fields)
    number = await record(house, key, "reveal", [name], wish.fields, wish.reason)
    return ok(Plain(name, plain.values, plain.missing, number))


async def known(request: Request) -> Key:
    """The key of a request, whatever it may do: whoever has one is on record also for what they may not.

    Raises:
        Refusal: 401 no key or an unknown one; nobody is there to be recorded.
    """
    shown = given_key(request)
    key = await house_of(request).keys.find(shown) if shown else None
    return key or await allowed(request, shown, "pii:reveal")  # says what is wrong with it


async def record(
    house: House, key: Key, action: str, names: Sequence[str], fields: Sequence[str], reason: str, outcome: str = "done"
) -> int:
    """Write down who did what to whom, unless it is many; nothing is shown that is not on record.

    Raises:
        StoreDown: it cannot be written down now.
    """
    subject = (await house.vault()).field_of(names[0]) if len(names) == 1 else ""
    act = Act(key.id, key.name, action, subject, tuple(fields), scrubbed(reason.strip()), outcome)
    return await house.audit.append(act, house.clock())


async def _sealing(house: House) -> Vault:
    vault = await house.vault()
    if not vault.seals:
        raise Refusal(409, "nothing_sealed", "MIEN_PII_KEYS is not set, so of personal traits only the masks are kept")
    return vault
