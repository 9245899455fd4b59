"""Pages of a list: cursors that mean nothing to their holder, and the link to the next page.

Knows: encodings.  Must not know: what is listed.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final
from urllib.parse import urlencode

from fastapi import Request

from api.problems import Refusal

_PLACE: Final = re.compile(r"[0-9]{1,4}-([0-9]{1,20})")
_LARGEST: Final = 2**64  #: positions of a scan have 64 bits


def sealed(place: str | None) -> str | None:
    """A place in a scan as an opaque cursor.

    >>> sealed("3-128")
    'My0xMjg'
    """
    return urlsafe_b64encode(place.encode()).decode().rstrip("=") if place else None


def opened(cursor: str | None) -> str | None:
    """The inverse of ``sealed``.

    Raises:
        Refusal: 400, nobody here gave out this cursor.

    >>> opened("My0xMjg")
    '3-128'
    """
    if cursor is None:
        return None
    try:
        place = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:
        place = ""
    found = _PLACE.fullmatch(place)
    if not found or int(found[1]) >= _LARGEST:
        raise bad_cursor()
    return place


def bad_cursor() -> Refusal:
    """400: start again without one."""
    return Refusal(400, "bad_cursor", "this cursor was not given out by this list; start again without one")


def next_link(request: Request, cursor: str | None, **others: object) -> dict[str, str]:
    """The header that leads to the next page, if there is one."""
    if cursor is None:
        return {}
    wanted = {name: value for name, value in others.items() if value is not None}
    path = request.scope["raw_path"].decode("latin-1")
    return {"Link": f'<{path}?{urlencode({**wanted, "cursor": cursor})}>; rel="next"'}
