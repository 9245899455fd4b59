"""Names of a source in ours, for dialects whose events have names of their own.

Knows: how a name is looked up.  Must not know: where the names stand (``mapping``), which format they travel in.
A name that is not there goes through as it is; it still proves that the customer is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Final

from profiles.kinds import CALLS

KEEP: Final = "keep"
SKIP: Final = "skip"


class Names:
    """Events by name or pattern -> ours; properties of ours -> what they are called there, the first that is there counts.

    >>> names = Names({"$pageview": "page", "SubmitOrder": "Order Completed"}, {"order_id": ("order_id", "order_no")})
    >>> names.event("SubmitOrder"), names.event("$pageview"), names.event("摇一摇")
    (('track', 'Order Completed'), ('page', ''), ('track', '摇一摇'))
    >>> names.properties({"orderNo": "o-1", "x": 1})
    {'x': 1, 'order_id': 'o-1'}
    """

    def __init__(self, events: Mapping[str, str], fields: Mapping[str, tuple[str, ...]]) -> None:
        self._events = dict(events)
        self._patterns = [(theirs, ours) for theirs, ours in events.items() if set(theirs) & set("*?[")]
        self._fields = [(ours, tuple(dict.fromkeys(map(plain, names)))) for ours, names in fields.items()]
        self._known: dict[str, tuple[str, str] | None] = {}

    def event(self, name: str) -> tuple[str, str] | None:
        """(type of call, name of ours), or None if such events are left out."""
        if name not in self._known:
            if len(self._known) > 4096:
                self._known.clear()
            self._known[name] = self._event(name)
        return self._known[name]

    def _event(self, name: str) -> tuple[str, str] | None:
        ours = self._events.get(name) or next(
            (our for theirs, our in self._patterns if fnmatchcase(name, theirs)), KEEP
        )
        if ours == SKIP:
            return None
        return (ours, "") if ours in CALLS else ("track", name if ours == KEEP else ours)

    def properties(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Under our names where there are any; everything else as it is.  A name of ours is not overwritten."""
        there = {plain(name): name for name in reversed(list(given))}
        out = dict(given)
        for ours, names in self._fields:
            if ours in given:
                continue
            theirs = next((there[name] for name in names if name in there), None)
            if theirs is not None:
                out[ours] = given[theirs]
                out.pop(theirs, None)
        if isinstance(products := out.get("products"), list):
            out["products"] = [self.properties(each) if isinstance(each, dict) else each for each in products]
        return out


@lru_cache(maxsize=4096)
def plain(name: str) -> str:
    """A name without case and ``_``, which apps write as they like.

    >>> plain("orderID"), plain("order_id")
    ('orderid', 'orderid')
    """
    return name.replace("_", "").lower()


NONE: Final = Names({}, {})
