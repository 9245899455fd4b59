"""From a record as an app sent it to an event as Mien counts it: decode, validate, clean, mask.

Knows: the Segment-shaped wire format and its traps.
Must not know: Kafka, Redis, features.  Everything that cannot be used raises ``Rejected`` with a reason that can be
counted; nothing else is ever raised, whatever the bytes (fuzz law).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Self
from zoneinfo import ZoneInfo

import msgspec

from profiles import consent
from profiles.clock import DAY, MINUTE, Millis
from profiles.errors import Rejected
from profiles.identity.claims import ID_LIMIT, Blind, Claim, aliases_of, claims_of, reserved, stands_for_nobody
from profiles.identity.names import ANONYMOUS, USER, name_of
from profiles.kinds import CALLS, CHANNELS, NAMES, Channel, Kind
from profiles.measures import TRAITS
from profiles.privacy import is_private, masked
from profiles.said import SAID, said
from profiles.settings import Settings
from profiles.sidecar import GROUP
from profiles.stable import code_of, message_key
from profiles.vault.seal import APART

EVENT_LIMIT: Final = 32 * 1024  #: bytes of one event, as in the Segment spec
NAME_LIMIT: Final = 200  #: characters of a name that is kept
LINES_LIMIT: Final = 50  #: products of one event that are looked at for interests
AMOUNT_LIMIT: Final = 10**12  #: minor units; anything larger is a mistake
EARLIEST: Final = 946_684_800_000  #: 2000-01-01; an older time is a clock that was never set
FUTURE_SLACK: Final = 5 * MINUTE

Number = float | int | str | None
Text = str | int | None


class Product(msgspec.Struct):
    """One line of an order, or what an event is about."""

    product_id: Text = None
    sku: Text = None
    category: Text = None
    brand: Text = None
    price: Number = None
    quantity: Number = None


class Properties(msgspec.Struct):
    """The properties of a track call that Mien counts."""

    order_id: Text = None
    revenue: Number = None
    subtotal: Number = None
    total: Number = None
    shipping: Number = None
    tax: Number = None
    value: Number = None
    discount: Number = None
    currency: str | None = None
    products: list[Product] = []
    product_id: Text = None
    sku: Text = None
    category: Text = None
    brand: Text = None
    price: Number = None
    quantity: Number = None
    rating: Number = None


class Context(msgspec.Struct):
    """Where a call comes from."""

    channel: str | None = None
    traits: dict[str, msgspec.Raw] = {}
    consent: msgspec.Raw = msgspec.Raw(b"")


class Message(msgspec.Struct, rename="camel"):
    """One Segment call; fields that Mien does not use are ignored, not refused."""

    type: str = "track"
    event: str | None = None
    user_id: Text = None
    anonymous_id: Text = None
    previous_id: Text = None
    group_id: Text = None
    message_id: str | None = None
    timestamp: datetime | int | float | None = None
    original_timestamp: datetime | int | float | None = None
    sent_at: datetime | int | float | None = None
    channel: str | None = None
    properties: Properties | None = None
    traits: dict[str, msgspec.Raw] | None = None
    context: Context | None = None


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event of one customer, in whole numbers; texts are codes, with their names beside them."""

    profile: str
    kind: Kind
    time: Millis
    amount: int = 0  #: minor units of the shop's currency
    quantity: int = 0
    discount: int = 0
    rating: int = 0
    channel: Channel = Channel.UNKNOWN
    key: int = 0
    order: int = 0
    lines: tuple[tuple[int, int, int], ...] = ()  #: (category, brand, item) codes
    traits: tuple[tuple[int, int], ...] = ()  #: (trait, value)
    names: tuple[tuple[int, str], ...] = ()
    patch: tuple[tuple[str, str | int | float | bool], ...] = ()  #: traits in words, private ones masked; ``said``
    private: tuple[tuple[str, str], ...] = ()  #: those masked, as they were told: to be sealed, never to travel
    claims: tuple[Claim, ...] = ()  #: other ids that it says are this customer's


_decode: Final = msgspec.json.Decoder(Message).decode
_decode_raw: Final = msgspec.json.Decoder().decode
_TRAIT_INDEX: Final = {name: i for i, name in enumerate(TRAITS)}
_EXPONENTS: Final = {"JPY": 0, "KRW": 0, "VND": 0, "CLP": 0, "KWD": 3, "BHD": 3, "OMR": 3, "TND": 3}
_SPENDING: Final = frozenset({Kind.ORDER, Kind.REFUND, Kind.CANCEL})


def exponent_of(currency: str) -> int:
    """Minor digits of a currency (ISO 4217).

    >>> exponent_of("CNY"), exponent_of("JPY")
    (2, 0)
    """
    return _EXPONENTS.get(currency, 2)


class Intake:
    """How one shop reads its events.

    ``rates`` turns other currencies into ``currency`` at fixed rates; without a rate an amount in another currency
    is refused rather than added up wrongly.
    """

    def __init__(
        self,
        currency: str,
        timezone: str,
        rates: Mapping[str, float] | None = None,
        *,
        seals: bool = False,
        blind: Blind | None = None,
        blocked: Iterable[str] = (),
    ) -> None:
        """``seals``: whoever reads will seal private traits, so events have them; else their masks are all there is.

        ``blind`` names phones and e-mails, without it they join nobody; ``blocked``: ids that are nobody's.
        """
        self._minor: dict[str, float] = {currency: 10.0 ** exponent_of(currency)}
        for other, rate in (rates or {}).items():
            self._minor[other] = rate * 10.0 ** exponent_of(currency)
        self._currency = currency
        self._zone = ZoneInfo(timezone)
        self._seals = seals
        self._blind = blind
        self._blocked = frozenset(one.lower() for one in blocked)

    @classmethod
    def of(cls, settings: Settings, *, seals: bool = False, blind: Blind | None = None) -> Self:
        """As the settings of the shop say."""
        rates = dict(part.split(":") for part in settings.rates.split(",") if part.strip())
        known = {name.strip(): float(rate) for name, rate in rates.items()}
        return cls(settings.currency, settings.timezone, known, seals=seals, blind=blind, blocked=settings.blocked_ids)

    def read(self, raw: bytes, received: Millis) -> Event:
        """Understand one record that reached Kafka at ``received``.

        Raises:
            Rejected: the record can never become an update; ``reason`` is a short stable code.
        """
        if len(raw) > EVENT_LIMIT:
            raise Rejected("event_too_large", f"{len(raw)} bytes; the limit is {EVENT_LIMIT}")
        try:
            message = _decode(raw)
        except msgspec.ValidationError as error:
            raise Rejected("wrong_type", str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Rejected("invalid_json", str(error)) from None
        try:
            return self._event(message, raw, received)
        except (ValueError, OverflowError, RecursionError) as error:
            raise Rejected("bad_value", str(error)) from None

    def _event(self, message: Message, raw: bytes, received: Millis) -> Event:
        kind = _kind(message)
        profile = _profile(message, self._blocked)
        claimed, time = self._time(message, received)
        properties = message.properties or _NOTHING
        names: dict[int, str] = {}
        lines = _lines(properties, names)
        private: list[tuple[str, str]] = []
        traits, patch = _traits(message, names, private)
        rating = _rating(properties) if kind is Kind.REVIEW else 0
        return Event(
            profile=profile,
            kind=kind,
            time=time,
            amount=self._amount(properties) if kind in _SPENDING else 0,
            quantity=_quantity(kind, properties),
            discount=self._money(properties.discount, properties.currency) if kind is Kind.ORDER else 0,
            rating=rating,
            channel=_channel(message),
            key=_key(message, raw, claimed),
            order=code_of(str(properties.order_id))
            if kind is Kind.ORDER and properties.order_id not in (None, "")
            else 0,
            lines=lines,
            traits=traits,
            names=tuple(names.items()),
            patch=patch
            + _group(message)
            + consent.told(message.event, _consent(message), raw)
            + said(kind, rating, raw),
            private=tuple(private) if self._seals else (),
            claims=self._claims(message, profile),
        )

    def _claims(self, message: Message, profile: str) -> tuple[Claim, ...]:
        others: list[tuple[str, str, bool]] = []
        either: list[str] = []  #: whose they are nobody says
        if message.anonymous_id is not None and message.user_id is not None:
            others.append((ANONYMOUS, str(message.anonymous_id).strip(), False))
        if message.previous_id is not None and message.type == "alias":
            either.append(str(message.previous_id).strip())
            others.append((ANONYMOUS, either[0], True))
            if message.user_id is None:
                either.append(str(message.anonymous_id).strip())
        own = None if message.type == "group" else message.traits  # those of a group call are the group's
        given = own or (message.context.traits if message.context else None)
        if not (others or given):
            return ()
        return claims_of(profile, others, given, self._blind, self._blocked) + aliases_of(either, self._blocked)

    def _time(self, message: Message, received: Millis) -> tuple[Millis | None, Millis]:
        """(what the message claims, when it happened): a wrong device clock is corrected, the future is not believed."""
        claimed = self._millis(message.original_timestamp or message.timestamp)
        if claimed is None:
            return None, received
        time = claimed
        sent = self._millis(message.sent_at)
        if sent is not None:
            skew = received - sent
            if skew < -MINUTE or MINUTE < skew < DAY:
                time += skew
        if time < EARLIEST:
            raise Rejected("time_implausible", f"{claimed} ms is before the year 2000")
        return claimed, received if time > received + FUTURE_SLACK else time

    def _millis(self, value: datetime | float | None) -> Millis | None:
        if value is None:
            return None
        if isinstance(value, datetime):
            aware = value if value.tzinfo else value.replace(tzinfo=self._zone)
            return round((aware - _EPOCH).total_seconds() * 1000)
        if abs(value) > 1e15:
            raise Rejected("time_implausible", f"{value} is no time in milliseconds")
        return int(value) if abs(value) > 1e11 else int(value * 1000)  # seconds until the year 5138

    def _amount(self, properties: Properties) -> int:
        currency = properties.currency
        for given in (properties.revenue, properties.subtotal):
            if given not in (None, ""):
                return self._money(given, currency)
        if properties.total not in (None, ""):
            apart = self._money(properties.shipping, currency) + self._money(properties.tax, currency)
            return max(self._money(properties.total, currency) - apart, 0)
        if properties.value not in (None, ""):
            return self._money(properties.value, currency)
        lines = sum(
            self._money(product.price, currency) * max(round(_number(product.quantity, 1)), 0)
            for product in properties.products
        )
        if lines > AMOUNT_LIMIT:
            raise Rejected("amount_too_large", f"the lines sum up to {lines}")
        return max(lines - self._money(properties.discount, currency), 0)

    def _money(self, given: Number, currency: str | None) -> int:
        if given is None or given == "":
            return 0
        minor = self._minor.get((currency or self._currency).upper())
        if minor is None:
            raise Rejected("unknown_currency", f"{currency} has no rate into {self._currency}; set MIEN_RATES")
        amount = round(_number(given, 0) * minor)
        if amount < 0:
            raise Rejected("negative_amount", f"{given}")
        if amount > AMOUNT_LIMIT:
            raise Rejected("amount_too_large", f"{given}")
        return amount


_NOTHING: Final = Properties()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _kind(message: Message) -> Kind:
    call = CALLS.get(message.type)
    if call is not None:
        return call
    if message.type != "track":
        raise Rejected("unknown_type", f"type {message.type[:40]!r}; use track, identify, page, screen, group or alias")
    name = (message.event or "").strip()
    if not name:
        raise Rejected("missing_event", "a track call needs an event name")
    return NAMES.get(name.lower(), Kind.OTHER)


def _profile(message: Message, blocked: frozenset[str]) -> str:
    for kind, given in ((USER, message.user_id), (ANONYMOUS, message.anonymous_id)):
        if given is not None and (name := _name(kind, given, blocked)):
            return name
    raise Rejected("missing_id", "neither userId nor anonymousId names anybody")


@lru_cache(maxsize=100_000)
def _name(kind: str, given: str | int, blocked: frozenset[str]) -> str:
    """The customer that an id names; empty if it is nobody's."""
    value = str(given).strip()
    if stands_for_nobody(value, blocked):
        return ""
    if len(value.encode()) > ID_LIMIT:
        raise Rejected("id_too_long", f"{len(value.encode())} bytes; the limit is {ID_LIMIT}")
    if not value.isprintable():
        raise Rejected("bad_id", "an id holds control characters")
    if kind == USER and reserved(value):
        raise Rejected("reserved_id", f"a userId must not begin with {value.partition(':')[0]}:, see docs/identity.md")
    return name_of(kind, value)


def _group(message: Message) -> tuple[tuple[str, bool], ...]:
    """What a group call says the customer belongs to."""
    if message.type != "group" or message.group_id is None:
        return ()
    name = str(message.group_id).strip()[:NAME_LIMIT]
    return () if stands_for_nobody(name) else ((f"{GROUP}{name}", True),)


def _key(message: Message, raw: bytes, claimed: Millis | None) -> int:
    """A message without an id and without a time cannot be told from its repeat; it is taken as new."""
    if message.message_id:
        return message_key(message.message_id.encode(), claimed or 0)
    return message_key(raw, claimed) if claimed is not None else 0


def _channel(message: Message) -> Channel:
    given = (message.context.channel if message.context else None) or message.channel
    return CHANNELS.get(given.lower(), Channel.UNKNOWN) if given else Channel.UNKNOWN


def _consent(message: Message) -> bytes:
    return bytes(message.context.consent) if message.context else b""


def _number(given: Number, absent: float) -> float:
    """A number, also one written as text; never NaN or infinite."""
    if given is None or given == "":
        return absent
    try:
        value = float(given)
    except ValueError:
        raise Rejected("not_a_number", f"{str(given)[:40]!r}") from None
    if not -1e15 < value < 1e15:
        raise Rejected("not_a_number", f"{given}")
    return value


def _quantity(kind: Kind, properties: Properties) -> int:
    if kind is Kind.ORDER and properties.products:
        total = sum(max(_number(product.quantity, 1), 0) for product in properties.products)
    else:
        total = max(_number(properties.quantity, 1), 0)
    return min(round(total), 10**6)


def _rating(properties: Properties) -> int:
    return min(max(round(_number(properties.rating, 0)), 0), 5)


def _code(given: Text, names: dict[int, str]) -> int:
    if given is None:
        return 0
    code, name = _coded(given)
    if code:
        names[code] = name
    return code


@lru_cache(maxsize=200_000)
def _coded(given: str | int) -> tuple[int, str]:
    """Code and text of a name as an app wrote it; 0 if it says nothing."""
    name = str(given).strip()[:NAME_LIMIT]
    return (code_of(name), name) if name else (0, "")


def _lines(properties: Properties, names: dict[int, str]) -> tuple[tuple[int, int, int], ...]:
    products = properties.products[:LINES_LIMIT]
    if not products and (properties.product_id is not None or properties.category is not None):
        one = Product(properties.product_id, properties.sku, properties.category, properties.brand)
        products = [one]
    found = []
    for product in products:
        item = product.product_id if product.product_id is not None else product.sku
        found.append((_code(product.category, names), _code(product.brand, names), _code(item, names)))
    return tuple(found)


def _traits(
    message: Message, names: dict[int, str], private: list[tuple[str, str]]
) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[str, str | int | float | bool], ...]]:
    given = message.traits or (message.context.traits if message.context else None)
    if not given:
        return (), ()
    counted, patch = [], []
    for key, raw in list(given.items())[:100]:
        value = _decode_raw(raw)
        if isinstance(value, str):
            value = value.strip()[:NAME_LIMIT].replace(APART, " ")  # nobody outside writes what looks sealed
        if value is None or value == "" or isinstance(value, (list, dict)) or len(key) > NAME_LIMIT or key == SAID:
            continue
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            continue  # no number that anything downstream could keep
        index = _TRAIT_INDEX.get(key)
        if is_private(key, value):
            patch.append((key, masked(key, str(value))))
            private.append((key, str(value)))
            continue
        if index is not None and TRAITS[key]:
            value = _whole(value)
            if value is None:
                continue
            counted.append((index, value))
        elif index is not None:
            counted.append((index, _code(str(value), names)))
        patch.append((key, value))
    return tuple(counted), tuple(patch)


def _whole(value: object) -> int | None:
    """A trait that is a number; what is none is left out rather than refused: one bad trait is no bad event."""
    try:
        number = round(float(str(value)))
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number < 10**9 else None
