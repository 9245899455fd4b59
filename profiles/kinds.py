"""What a customer can do, as far as Mien counts it.

Knows: the kinds of events, their names in the Segment e-commerce spec, and the channels.
Must not know: how anything is counted.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Kind(IntEnum):
    """One bit each in a measure's mask; the numbers are stored in Kafka, so they never change."""

    OTHER = 0  #: a name nobody mapped: it still proves that the customer is there
    VISIT = 1
    VIEW = 2
    SEARCH = 3
    LIST = 4
    CART_ADD = 5
    CART_REMOVE = 6
    CART_VIEW = 7
    CHECKOUT = 8
    PAYMENT = 9
    ORDER = 10
    REFUND = 11
    CANCEL = 12
    COUPON = 13
    WISHLIST = 14
    REVIEW = 15
    COMPLAINT = 16
    SERVICE = 17
    SHARE = 18
    INVITE = 19
    SIGNUP = 20
    LOGIN = 21
    MESSAGE_OPEN = 22
    IDENTIFY = 23
    PROMOTION = 24


class Channel(IntEnum):
    """Where an event happened."""

    UNKNOWN = 0
    WEB = 1
    APP = 2
    MINI_PROGRAM = 3
    STORE = 4


#: lower-case event name -> kind; the source is the Segment e-commerce spec v2 plus a few common service events
NAMES: Final[dict[str, Kind]] = {
    "product viewed": Kind.VIEW,
    "product clicked": Kind.VIEW,
    "products searched": Kind.SEARCH,
    "product list viewed": Kind.LIST,
    "product list filtered": Kind.LIST,
    "promotion viewed": Kind.PROMOTION,
    "promotion clicked": Kind.PROMOTION,
    "product added": Kind.CART_ADD,
    "product removed": Kind.CART_REMOVE,
    "cart viewed": Kind.CART_VIEW,
    "checkout started": Kind.CHECKOUT,
    "checkout step viewed": Kind.CHECKOUT,
    "checkout step completed": Kind.CHECKOUT,
    "payment info entered": Kind.PAYMENT,
    "order completed": Kind.ORDER,
    "order updated": Kind.ORDER,
    "order refunded": Kind.REFUND,
    "order cancelled": Kind.CANCEL,
    "coupon entered": Kind.COUPON,
    "coupon applied": Kind.COUPON,
    "product added to wishlist": Kind.WISHLIST,
    "product reviewed": Kind.REVIEW,
    "complaint filed": Kind.COMPLAINT,
    "support contacted": Kind.SERVICE,
    "product shared": Kind.SHARE,
    "cart shared": Kind.SHARE,
    "invite sent": Kind.INVITE,
    "signed up": Kind.SIGNUP,
    "account created": Kind.SIGNUP,
    "signed in": Kind.LOGIN,
    "email opened": Kind.MESSAGE_OPEN,
    "email link clicked": Kind.MESSAGE_OPEN,
    "push notification tapped": Kind.MESSAGE_OPEN,
    "sms link clicked": Kind.MESSAGE_OPEN,
}

#: type of a Segment call -> kind, where the call carries no event name
CALLS: Final[dict[str, Kind]] = {
    "page": Kind.VISIT,
    "screen": Kind.VISIT,
    "identify": Kind.IDENTIFY,
    "group": Kind.IDENTIFY,
    "alias": Kind.IDENTIFY,
}

CHANNELS: Final[dict[str, Channel]] = {
    "web": Channel.WEB,
    "browser": Channel.WEB,
    "client": Channel.WEB,
    "app": Channel.APP,
    "mobile": Channel.APP,
    "ios": Channel.APP,
    "android": Channel.APP,
    "mini_program": Channel.MINI_PROGRAM,
    "miniprogram": Channel.MINI_PROGRAM,
    "wechat": Channel.MINI_PROGRAM,
    "store": Channel.STORE,
    "pos": Channel.STORE,
    "offline": Channel.STORE,
}
