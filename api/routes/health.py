"""For orchestrators, monitoring and the curious: alive, ready, metrics, version, documentation.

Knows: paths.  Must not know: what makes a process ready.
Whether it is alive and ready is all that is told without a key.
"""

from __future__ import annotations

import platform
from typing import Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from prometheus_client import CONTENT_TYPE_LATEST

from api.health import Health
from api.keys import needs
from api.metrics import VERSION, told
from api.openapi import Json, describe, refuses, shows
from api.respond import encode, ok
from api.shapes import Alive, Readiness, Version

router = APIRouter(tags=["operation"])
_locked: Final = [Depends(needs("read"))]
_TEXT: Final[dict[int | str, Json]] = {
    200: {"description": "Text exposition format.", "content": {"text/plain": {"schema": {"type": "string"}}}}
}


@router.get(
    "/healthz", summary="Is the process alive?", responses=shows(Alive, "It is."), openapi_extra={"security": []}
)
async def healthz() -> Response:
    """Asks nobody else."""
    return ok(Alive("alive"))


@router.get(
    "/readyz",
    summary="Can it answer?",
    responses=shows(Readiness, "It can.") | {503: shows(Readiness, "It cannot; `checks` says why.")[200]},
    openapi_extra={"security": []},
)
async def readyz(request: Request) -> Response:
    """Redis, the right shop, rules: needed.  A worker on every bucket: wanted, else profiles grow old (`degraded`)."""
    health: Health = request.app.state.health
    readiness = await health.readiness()
    status = 503 if readiness.status == "not_ready" else 200
    return Response(encode(readiness), status, {"Cache-Control": "no-store"}, "application/json")


@router.get(
    "/metrics",
    summary="Numbers for Prometheus",
    dependencies=_locked,
    response_class=Response,
    responses=_TEXT | refuses(401, 403, 503),
)
async def metrics() -> Response:
    """Of all processes of this API; where there is only one, of its memory and CPU too."""
    return Response(told(), headers={"Cache-Control": "no-store"}, media_type=CONTENT_TYPE_LATEST)


@router.get(
    "/version",
    summary="What runs?",
    dependencies=_locked,
    responses=shows(Version, "This.") | refuses(401, 403, 503),
)
async def version() -> Response:
    """Name and version of this release, and of Python."""
    return ok(Version("mien", VERSION, platform.python_version()))


@router.get("/openapi.json", include_in_schema=False, dependencies=_locked)
async def openapi(request: Request) -> Response:
    """The description for programs."""
    return ok(describe(request.app))


@router.get("/docs", include_in_schema=False, dependencies=_locked)
async def docs(request: Request) -> Response:
    """The description for people."""
    return get_swagger_ui_html(openapi_url="/openapi.json", title=request.app.title)
