"""Orders about what may be kept of customers: suppress, erase, and how far that has come.

Knows: paths, words of the regulation API.  Must not know: how anything is erased (the bucket's writer does it).
"""

from __future__ import annotations

import secrets
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Depends, Path, Request, Response

from api.house import House, house_of
from api.keys import needs
from api.openapi import refuses, shows, takes, takes_in
from api.problems import Fault, invalid, unknown
from api.respond import body_of, encode, ok
from api.routes.profiles import unfit
from api.routes.reveal import record
from api.shapes import Ordered, RegulationWish
from profiles import erasure, inputs
from profiles.access import Key
from profiles.lineage import Lineages
from profiles.store.client import abreast

router = APIRouter(tags=["privacy"], responses=refuses(400, 401, 403, 413, 422, 503))
_decode: Final = msgspec.json.Decoder(RegulationWish).decode


@router.post(
    "/v1/regulations",
    summary="Suppress or erase customers",
    status_code=202,
    responses=takes_in(Ordered, "It is on its way; ask for its report."),
    openapi_extra=takes(RegulationWish),
)
async def order(request: Request, key: Annotated[Key, Depends(needs("privacy"))]) -> Response:
    """`SUPPRESS` takes no event from now on, `DELETE_ONLY` destroys what is there, `SUPPRESS_WITH_DELETE` does both, and
    `UNSUPPRESS` takes events again.  Safe to repeat.
    """
    wish, house = await body_of(request, _decode), house_of(request)
    if bad := [Fault(f"body.subjectIds[{i}]", why) for i, name in enumerate(wish.subject_ids) if (why := unfit(name))]:
        raise invalid(bad)
    about = await _about(house, wish)
    name, now = secrets.token_hex(8), house.clock()
    regulation = erasure.Regulation(name, wish.regulation_type, now, key.name, tuple(about.values()))
    await record(house, key, f"regulation:{wish.regulation_type}", list(about), [name], wish.reason)
    await house.regulations.keep(regulation)
    orders = [(bucket, inputs.encode(each)) for bucket, each in erasure.orders(regulation, about)]
    try:
        await house.collector.order(orders)
    except BaseException:
        await house.regulations.drop(name)  # whoever asked hears of it, and asks again
        raise
    return Response(encode(Ordered(name, f"/v1/regulations/{name}")), 202, {}, "application/json")


async def _about(house: House, wish: RegulationWish) -> dict[str, erasure.Subject]:
    """All ids of the customers who are named.  To let somebody in again, those too that were suppressed with them: of a
    customer who was erased nobody else knows them, and a hash is as good as a name to find it on the list.
    """
    buckets, blind = house.settings.buckets, (await house.vault()).field_of
    lineages = Lineages(house.store, buckets)
    about: dict[str, erasure.Subject] = {}
    for number, ids in enumerate(await abreast(lambda one: lineages.everybody([one]), wish.subject_ids)):
        about = erasure.subjects(ids, buckets, blind, number) | about
    if wish.regulation_type == "UNSUPPRESS":
        known = {subject.hash for subject in about.values()}
        about |= {name: one for name, one in (await house.regulations.companions(known)).items() if name not in known}
    return about


@router.get(
    "/v1/regulations/{regulation}",
    summary="How far an order has come",
    dependencies=[Depends(needs("privacy"))],
    responses=shows(erasure.Report, "A receipt for each customer, and what is still kept where, until when.")
    | refuses(404),
)
async def report(request: Request, regulation: Annotated[str, Path(max_length=64)]) -> Response:
    """Customers are named by a hash of their id, in the order in which they were given."""
    found = await house_of(request).regulations.report(regulation)
    if found is None:
        raise unknown("unknown_regulation", "regulation", regulation)
    return ok(found)
