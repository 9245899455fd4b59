"""The counts that all customers together make as they go: their names, and what a name means.

``path:VIEW>CART_ADD`` is how often a customer added to the cart right after viewing; ``path:START>VIEW`` and
``path:ORDER>EXIT`` are the ends of sessions.  ``retention:2026-11-16:w3`` is how many of those whose first day lies in
the week from that Monday were active in the third week after it; ``d7``: on the seventh day after their own first day.
The counts travel with the commit that changes them, so they are right exactly if the profiles are.
Knows: names and notes.  Must not know: how notes are made (``kernels.census``), what is read from counts
(``models.paths``, ``models.retention``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

from profiles.kernels.census import EXIT, NODES, PLACES, START, STAYED
from profiles.kinds import Kind
from profiles.measures import STAY_DAYS

PATH: Final = "path:"
RETENTION: Final = "retention:"
NODE_NAMES: Final[dict[int, str]] = {kind: kind.name for kind in Kind} | {START: "START", EXIT: "EXIT"}

#: step -> what it is called in Chinese and English
LABELS: Final[dict[str, tuple[str, str]]] = {
    "START": ("进店", "session starts"),
    "EXIT": ("离开", "session ends"),
    "OTHER": ("其他行为", "something else"),
    "VISIT": ("访问页面", "visit"),
    "VIEW": ("浏览商品", "product view"),
    "SEARCH": ("搜索", "search"),
    "LIST": ("浏览列表", "list view"),
    "CART_ADD": ("加购", "cart add"),
    "CART_REMOVE": ("移出购物车", "cart removal"),
    "CART_VIEW": ("查看购物车", "cart view"),
    "CHECKOUT": ("结算", "checkout"),
    "PAYMENT": ("填写支付", "payment details"),
    "ORDER": ("下单", "order"),
    "REFUND": ("退款", "refund"),
    "CANCEL": ("取消订单", "cancellation"),
    "COUPON": ("使用优惠券", "coupon"),
    "WISHLIST": ("收藏", "wish list"),
    "REVIEW": ("评价", "review"),
    "COMPLAINT": ("投诉", "complaint"),
    "SERVICE": ("联系客服", "service contact"),
    "SHARE": ("分享", "share"),
    "INVITE": ("邀请好友", "invitation"),
    "SIGNUP": ("注册", "sign-up"),
    "LOGIN": ("登录", "sign-in"),
    "PROMOTION": ("看促销", "promotion"),
}

_MONDAY: Final = date(1969, 12, 29)  #: of week 0: day 0 was the Thursday after it


def named(notes: Mapping[int, int]) -> dict[str, int]:
    """Notes, and how often each was made, as differences of counts.

    >>> named({2 * (Kind.VIEW * NODES + Kind.ORDER): 3})
    {'path:VIEW>ORDER': 3}
    >>> named({2 * (STAYED + 2958 * PLACES + 7): 1, 2 * (STAYED + 2958 * PLACES + 7) + 1: 1})
    {}
    """
    found: dict[str, int] = {}
    for note, n in notes.items():
        name = _name(note >> 1)
        found[name] = found.get(name, 0) + (-n if note & 1 else n)
    return {name: n for name, n in found.items() if n}


@lru_cache(maxsize=16_384)
def _name(what: int) -> str:
    if what < STAYED:
        return f"{PATH}{NODE_NAMES[what // NODES]}>{NODE_NAMES[what % NODES]}"
    cohort, place = divmod(what - STAYED, PLACES)
    return f"{RETENTION}{monday(cohort)}:" + (f"d{place}" if place < STAY_DAYS else f"w{place - STAY_DAYS}")


def monday(week: int) -> date:
    """The day a week begins on.

    >>> monday(2968).isoformat()
    '2026-11-16'
    """
    return _MONDAY + timedelta(weeks=week)


def of_all(name: str) -> bool:
    """Whether a count is one of these, and not of a tag or a rung.

    >>> of_all("path:VIEW>ORDER"), of_all("tier:high_value")
    (True, False)
    """
    return name.startswith((PATH, RETENTION))
