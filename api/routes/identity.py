"""Customers by any of their ids, and who is behind one.

Knows: paths, and that personal ids stand in bodies, never in paths.  Must not know: how ids are joined.
"""

from __future__ import annotations

from typing import Final

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from api.house import house_of
from api.keys import needs
from api.openapi import refuses, shows, takes
from api.problems import Refusal, unknown
from api.respond import body_of, ok
from api.routes.profiles import ProfileId, profile_id
from api.shapes import FindBy
from profiles.identity.claims import named
from profiles.identity.names import ANONYMOUS, USER
from profiles.lineage import Lineage, Lineages
from profiles.view import ProfileView

router = APIRouter(tags=["profiles"], dependencies=[Depends(needs("read"))], responses=refuses(401, 403, 422, 503))
KINDS: Final = {"userId": USER, "anonymousId": ANONYMOUS, "crmId": "crm"}  #: others have the name of their kind
_decode: Final = msgspec.json.Decoder(FindBy).decode


@router.post(
    "/v1/profiles/find",
    summary="One customer by any id",
    responses=shows(ProfileView, "The profile of whoever has this id.") | refuses(400, 404, 413),
    openapi_extra=takes(FindBy),
)
async def find(request: Request) -> Response:
    """Exactly one id, also a phone number or an e-mail address: these stand in no path, so in no log of paths."""
    house = house_of(request)
    given = {name: value for name, value in msgspec.to_builtins(await body_of(request, _decode)).items() if value}
    if len(given) != 1:
        raise Refusal(400, "bad_id", "give exactly one id")
    ((field, value),) = given.items()
    kind = KINDS.get(field, field)
    blind = (await house.vault()).blind
    name = named(kind, value.strip(), blind, frozenset(house.settings.blocked_ids))
    if not name:
        raise Refusal(400, "bad_id", f"no customer can have this {field}")
    reader = await house.reader()
    found = await reader.find(name)
    if found is None:
        raise unknown("unknown_profile", "profile with this", field)
    return ok(await reader.view(found))


@router.get(
    "/v1/profiles/{profile}/identity",
    summary="All ids of a customer",
    responses=shows(Lineage, "The root first, then who retired into whom.") | refuses(400, 404),
)
async def identity(request: Request, profile: ProfileId) -> Response:
    """Which ids are this customer, since when, and which claims were refused and why."""
    name, house = profile_id(profile), house_of(request)
    await house.reader()  # so that a store of another shop is refused
    found = await Lineages(house.store, house.settings.buckets).of(name)
    if found is None:
        raise unknown("unknown_profile", "profile", name)
    return ok(found)
