"""The description of the API that programs read, true to what is really sent.

Knows: OpenAPI, the structs that leave.  Must not know: how anything is answered.
Schemas come from the very structs that are encoded, so they cannot drift apart.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api import shapes
from api.problems import MEDIA_TYPE, Problem
from profiles.access import SCOPES
from profiles.alerts import Alert
from profiles.dictionary import TagDictionary
from profiles.erasure import Report
from profiles.forecast import Forecast
from profiles.lineage import Lineage
from profiles.models.basket_lines import Baskets
from profiles.models.paths import NextStep, Paths
from profiles.models.retention import Retention
from profiles.models.suggestions import Suggestions
from profiles.view import ProfileView
from profiles.voice import Voice

Json = dict[str, Any]
_REF: Final = "#/components/schemas/{name}"
_SHOWN: Final = (
    Alert,
    Baskets,
    Forecast,
    Lineage,
    NextStep,
    Paths,
    Problem,
    Retention,
    ProfileView,
    Report,
    Suggestions,
    TagDictionary,
    Voice,
    *(each for each in vars(shapes).values() if isinstance(each, type) and issubclass(each, msgspec.Struct)),
)
_SECURITY: Final = {
    "key": {"type": "http", "scheme": "bearer", "description": f"An API key; scopes are {', '.join(SCOPES)}."},
    "keyHeader": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
    "keyAsUser": {"type": "http", "scheme": "basic", "description": "The key as user name, no password."},
}


def ref(shape: type) -> Json:
    """The schema of a struct, by reference."""
    return {"$ref": _REF.format(name=shape.__name__)}


def shows(shape: type, what: str) -> dict[int | str, Json]:
    """``responses`` of a route that answers 200 with ``shape``."""
    return {200: {"description": what, "content": {"application/json": {"schema": ref(shape)}}}}


def takes_in(shape: type, what: str) -> dict[int | str, Json]:
    """``responses`` of a route that answers 202 with ``shape``: it is safe, and done in a moment."""
    return {202: shows(shape, what)[200]}


def takes(shape: type) -> Json:
    """``openapi_extra`` of a route with a body."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": ref(shape)}}}}


def refuses(*statuses: int) -> dict[int | str, Json]:
    """``responses`` for the problems a route may answer with."""
    schema = {"schema": ref(Problem)}
    return {status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: schema}} for status in statuses}


def describe(app: FastAPI) -> Json:
    """The whole description."""
    if app.openapi_schema is None:
        found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        components = found.setdefault("components", {})
        invented = {"HTTPValidationError", "ValidationError"}
        kept = {name: each for name, each in components.get("schemas", {}).items() if name not in invented}
        _, shown = msgspec.json.schema_components(_SHOWN, ref_template=_REF)
        components["schemas"] = kept | shown
        components["securitySchemes"] = _SECURITY
        found["security"] = [{name: []} for name in _SECURITY]
        app.openapi_schema = found
    return app.openapi_schema
