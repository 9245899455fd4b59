"""Every error answer: one shape (RFC 9457, application/problem+json), each with a code that never changes.

Knows: codes, statuses, what a caller can do about it.
Must not know: routes, Redis.  What a fault *is* is said by whoever raises; here it only becomes an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError

MEDIA_TYPE: Final = "application/problem+json"
REQUEST_ID: Final = "mien.request_id"  #: where the scope of a request keeps its id
RETRY_AFTER: Final = "1"  #: seconds; the store comes back, or a supervisor brings it back, within a few of them


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong with a request: ``where`` is ``body.ids[3]``, ``query.limit`` ..."""

    where: str
    message: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What every error answer holds; ``message`` repeats ``detail`` because many clients look for that name."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    message: str
    request_id: str
    errors: tuple[Fault, ...] = ()


class Refusal(Exception):
    """Raised anywhere below a route to answer with a problem."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        errors: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


_encode: Final = msgspec.json.Encoder().encode


def answer(scope: Mapping[str, Any], refusal: Refusal) -> Response:
    """A refusal as the response to the request of ``scope``."""
    problem = Problem(
        type=f"urn:mien:problem:{refusal.code}",
        title=HTTPStatus(refusal.status).phrase,
        status=refusal.status,
        detail=refusal.message,
        instance=str(scope.get("path", "")),
        code=refusal.code,
        message=refusal.message,
        request_id=str(scope.get(REQUEST_ID, "")),
        errors=refusal.errors,
    )
    headers = {"Cache-Control": "no-store", **refusal.headers}
    return Response(_encode(problem), refusal.status, headers, MEDIA_TYPE)


def unknown(code: str, what: str, name: str) -> Refusal:
    """404: there is no such thing.

    >>> unknown("unknown_tag", "tag", "vip").message
    "no tag 'vip'"
    """
    return Refusal(404, code, f"no {what} {name[:80]!r}")


def store_away() -> Refusal:
    """503: the store does not answer now; nothing is wrong with the request."""
    message = "the store does not answer; try again shortly"
    return Refusal(503, "store_unavailable", message, headers={"Retry-After": RETRY_AFTER})


def not_ready(why: str) -> Refusal:
    """503: the store answers, but not with what this process needs."""
    return Refusal(503, "not_ready", why, headers={"Retry-After": RETRY_AFTER})


def broken() -> Refusal:
    """500: a fault of ours; the log has the rest under the request's id."""
    return Refusal(500, "internal_error", "this is a fault of the server; its log tells more under this request_id")


async def refuse(request: Request, error: Exception) -> Response:
    """Handler of ``Refusal``."""
    assert isinstance(error, Refusal)  # noqa: S101 - registered for this class alone
    return answer(request.scope, error)


async def refuse_invalid(request: Request, error: Exception) -> Response:
    """Handler of what FastAPI finds wrong with parameters."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class alone
    faults = [Fault(".".join(map(str, each["loc"])), str(each["msg"])) for each in error.errors()]
    return answer(request.scope, invalid(faults))


def invalid(faults: Sequence[Fault]) -> Refusal:
    """422: understood, but with values that cannot be."""
    said = "; ".join(f"{fault.where}: {fault.message}" for fault in faults[:3])
    return Refusal(422, "invalid_request", said, errors=faults)


async def refuse_path(request: Request, error: Exception) -> Response:
    """Handler of what the router says by itself: no such path (404), not this method (405, with Allow)."""
    status = int(getattr(error, "status_code", 404))
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        message = f"{request.method} is not possible here"
        return answer(request.scope, Refusal(status, "method_not_allowed", message, headers=_headers(error)))
    return answer(
        request.scope, Refusal(404, "unknown_path", "there is nothing at this path; /docs lists what there is")
    )


def _headers(error: Exception) -> dict[str, str]:
    return dict(getattr(error, "headers", None) or {})
