"""What a customer allows, and everything that is kept about one.

Knows: paths, what goes on record.  Must not know: how consent is kept, what is asked for it.
"""

from __future__ import annotations

import secrets
from typing import Annotated, Final
from urllib.parse import unquote

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from api.house import House, house_of
from api.keys import allowed, given_key, needs
from api.openapi import refuses, shows, takes, takes_in
from api.problems import Refusal
from api.respond import body_of, encode, ok
from api.routes.profiles import ProfileId, customer
from api.routes.reveal import known, record
from api.shapes import Consents, ConsentWish, Export
from profiles import consent, sidecar
from profiles.access import Key
from profiles.clock import iso
from profiles.dialects.parcel import ready
from profiles.erasure import Subject
from profiles.reader import Found
from profiles.reveal import Revealer
from profiles.stable import bucket_of

router = APIRouter(tags=["privacy"], responses=refuses(400, 401, 403, 404, 422, 503))
_decode: Final = msgspec.json.Decoder(ConsentWish).decode
Privacy = Annotated[Key, Depends(needs("privacy"))]


@router.get(
    "/v1/profiles/{profile}/consents",
    summary="What a customer allows",
    responses=shows(Consents, "Purpose by purpose, and since when."),
)
async def consents(request: Request, profile: ProfileId, _: Privacy) -> Response:
    """The latest word of each purpose, whoever brought it."""
    _reader, found = await customer(request, profile)
    return ok(Consents(found.profile, _said(found)))


@router.put(
    "/v1/profiles/{profile}/consents",
    summary="Write down what a customer said",
    status_code=202,
    responses=takes_in(ConsentWish, "It is in Kafka, and applied as an event of now.") | refuses(413),
    openapi_extra=takes(ConsentWish),
)
async def put(request: Request, profile: ProfileId, key: Privacy) -> Response:
    """It goes the way of all events, so it is in order with what apps tell, and the profile has it in a moment."""
    house, wish = house_of(request), await body_of(request, _decode)
    _reader, found = await customer(request, profile)
    name, said = found.profile, wish.consents
    event = {
        "type": "track",
        "event": "Consent Updated",
        "userId": name,
        "messageId": f"consent-{secrets.token_hex(8)}",
        "timestamp": iso(house.clock()),
        "context": {"consent": {"categoryPreferences": said}},
    }
    fields = [f"{purpose}={str(given).lower()}" for purpose, given in said.items()]
    await record(house, key, "consent", [name], fields, wish.reason)
    await house.collector.take([ready(event, encode(event))], key, "consent")
    return Response(encode(wish), 202, {}, "application/json")


@router.get(
    "/v1/profiles/{profile}/export",
    summary="Everything that is kept about a customer",
    responses=shows(Export, "One document."),
)
async def export(
    request: Request,
    profile: ProfileId,
    key: Annotated[Key, Depends(known)],
    reason: Annotated[str, Query(max_length=300, description="With it, a key that may reveal gets plain traits.")] = "",
) -> Response:
    """Needs the scope `privacy`.  Personal traits are masked, unless the key has the scope `pii:reveal` as well and says why.
    It goes on record, and so does what is refused to a known key.
    """
    house, fields = house_of(request), ["personal"] if reason.strip() else []
    try:
        await allowed(request, given_key(request), "privacy")
        if fields:
            await allowed(request, given_key(request), "pii:reveal")
        reader, found = await customer(request, profile)
    except Refusal as refusal:
        await record(house, key, "export", [unquote(profile)], fields, reason, refusal.code)
        raise
    name, personal = found.profile, None
    await record(house, key, "export", [name], fields, reason)
    if fields:
        told = [each for each in sidecar.read(found.side) if not each.startswith(consent.PREFIX)]
        revealed = await Revealer(house.store, await house.vault(), house.settings.buckets).reveal(name, told)
        personal = revealed.values
    ids = await reader.ids(found)
    alerts, lines = await house.desk_about(ids)
    return ok(
        Export(
            exported_at=house.clock(),
            profile=await reader.view(found),
            personal=personal,
            consents=_said(found),
            ids=tuple(ids),
            timeline=await reader.whole_timeline(found),
            alerts=tuple(alerts),
            deliveries=tuple(lines),
            suppressed=await _is_suppressed(house, name),
        )
    )


def _said(found: Found) -> dict[str, consent.Consent]:
    return consent.consents(sidecar.read(found.side).items())


async def _is_suppressed(house: House, name: str) -> bool:
    subject = Subject(bucket_of(name, house.settings.buckets), (await house.vault()).field_of(name))
    return await house.regulations.is_suppressed(subject)
