"""What anybody sent, in a form that may be shown: personal data masked, and nothing that moves a terminal's cursor.

Knows: which names are personal and what phone numbers and addresses look like.  Must not know: who asks.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from profiles.privacy import is_private, masked, scrubbed

_DEEP: Final = 40


def veiled(raw: bytes) -> str:
    """Bytes as text: JSON by its names and values, anything else by what looks personal.

    >>> veiled('{"userId": "u-1", "traits": {"name": "张伟", "contact": "li.lei@example.com"}}'.encode())
    '{"userId":"u-1","traits":{"name":"张*","contact":"l***@example.com"}}'
    >>> veiled(b'{"broken": "call 13812341234"')
    '{"broken": "call 138****1234"'
    """
    try:
        found = msgspec.json.decode(raw)
        if isinstance(found, (dict, list)):
            return printable(msgspec.json.encode(_walked("", found, 0)).decode())
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        pass
    return said(raw.decode("utf-8", "replace"))


def said(text: str) -> str:
    """A sentence without what looks personal."""
    return printable(scrubbed(text))


def printable(text: str) -> str:
    r"""A text that only says something.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def _walked(name: str, value: Any, depth: int) -> Any:
    if depth > _DEEP:
        return "***"
    if isinstance(value, dict):
        return {key: _walked(key, each, depth + 1) for key, each in value.items()}
    if isinstance(value, list):
        return [_walked(name, each, depth + 1) for each in value]
    if value is None or isinstance(value, bool):
        return value
    text = str(value)
    if depth > 1 and is_private(name, text):  # at the top an event has its own names: `name` of a page
        return masked(name, text)
    if isinstance(value, str):
        return said(text)
    return value if said(text) == text else masked("phone", text)
