"""A ``sources.yaml``, read and checked as a whole: every fault with its line, column and the nearest right name.

    version: 1
    sources:
      - name: orders
        files: ["*orders*.csv"]
        timezone: Asia/Shanghai
        event: Order Completed
        user: [会员号, user_id]
        time: 下单时间
        id: 订单号
        fields:
          order_id: 订单号
          revenue: {from: 实付金额, unit: fen}

Knows: which entry of the file becomes what.  Must not know: rows, how a value is cleaned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import phonenumbers
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from profiles.dialects.names import KEEP, SKIP
from profiles.kinds import CALLS, CHANNELS, NAMES
from profiles.mapping.targets import MONEY, PROPERTIES, SORTS, TRAITS
from profiles.rules.place import Place, Source
from profiles.rules.reader import Fields, root

SHIPPED: Final = Path(__file__).parent / "sources.yaml"
SHAPES: Final = ("table", "segment", "sensors")
UNITS: Final[dict[str, int]] = {"yuan": 0, "元": 0, "major": 0, "fen": 2, "分": 2, "cent": 2, "cents": 2, "minor": 2}
DATES: Final[dict[str, bool]] = {"day_first": True, "month_first": False}
OURS: Final = {**{name.title().replace("Sms", "SMS"): name for name in NAMES}, **{call: call for call in CALLS}}

START: Final = Place(1, 1)

_FILE: Final = ("version", "sources")
_SOURCE: Final = (
    "name", "files", "topics", "keys", "shape", "timezone", "currency", "unit", "region", "dates", "event", "event_from", "events",
    "user", "anonymous", "time", "id", "channel", "channel_from", "fields", "traits",
)  # fmt: skip
_COLUMN: Final = ("from", "as", "unit")


@dataclass(frozen=True)
class Column:
    """One thing of ours: the columns it may stand in (the first that says something counts), and how it is cleaned."""

    target: str
    names: tuple[str, ...]
    sort: str
    minor_digits: int = 0
    place: Place = START


@dataclass(frozen=True)
class SourceMap:
    """How one source is read."""

    name: str
    files: tuple[str, ...] = ()
    topics: tuple[
        str, ...
    ] = ()  #: names or globs of topics whose records are of this source, unless they came by a key
    keys: tuple[str, ...] = ()  #: ids of write keys
    shape: str = "table"
    timezone: str = ""  #: empty: the shop's
    currency: str = ""  #: empty: the shop's
    region: str = "CN"
    day_first: bool | None = None
    event: str = ""
    event_from: Column | None = None
    events: Mapping[str, str] | None = None
    user: Column | None = None
    anonymous: Column | None = None
    time: Column | None = None
    id: Column | None = None
    channel: str = ""
    channel_from: Column | None = None
    fields: tuple[Column, ...] = ()
    traits: tuple[Column, ...] = ()
    place: Place = START

    @property
    def columns(self) -> Iterator[Column]:
        """Everything that is read from a column."""
        alone = (self.event_from, self.user, self.anonymous, self.time, self.id, self.channel_from)
        yield from (each for each in alone if each is not None)
        yield from (*self.fields, *self.traits)

    def fits(self, file: str) -> bool:
        """Whether a file of that name is of this source."""
        return any(fnmatchcase(file.lower(), pattern.lower()) for pattern in self.files)


def shipped() -> tuple[SourceMap, ...]:
    """The sources that Mien comes with."""
    return load(SHIPPED.read_text(encoding="utf-8"))


def load(text: str, file: str = "sources.yaml") -> tuple[SourceMap, ...]:
    """Read and check a mapping file.

    Raises:
        RuleErrors: everything that is wrong with it, each with file, line and column.
    """
    source = Source(text.removeprefix("\ufeff"), file)
    node = root(source)
    found = _Reading(source).sources(node) if node is not None else []
    source.finish()
    return tuple(found)


class _Reading:
    """One pass through a file.  What cannot be read is complained about and left out."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.unit = 0

    def sources(self, node: Node) -> list[SourceMap]:
        fields = Fields.of(self.source, node, "a sources file", _FILE)
        version = fields.need("version", "a sources file")
        if version is not None and fields.text("version") != "1":
            self.source.complain(version, "'version' must be 1, the only form there is so far")
        found: dict[str, SourceMap] = {}
        for each in fields.each("sources", "a sources file"):
            one = self.one(each)
            if one is not None and one.name in found:
                self.source.complain(each, f"source {one.name!r} stands here twice")
            elif one is not None:
                found[one.name] = one
        return list(found.values())

    def one(self, node: Node) -> SourceMap | None:
        fields = Fields.of(self.source, node, "a source", _SOURCE)
        name = fields.name("name", "a source")
        shape = self.among(fields, "shape", SHAPES) or "table"
        self.unit = UNITS[self.among(fields, "unit", UNITS) or "yuan"]
        what = f"source {name!r}" if name else "a source"
        events, user = self.events(fields), self.column(fields, "user", "id")
        anonymous, time = self.column(fields, "anonymous", "id"), self.column(fields, "time", "time")
        found = SourceMap(
            name=name or "",
            files=self.texts(fields, "files"),
            topics=self.texts(fields, "topics"),
            keys=self.texts(fields, "keys"),
            shape=shape,
            timezone=self.zone(fields),
            currency=self.currency(fields),
            region=self.region(fields),
            day_first=DATES.get(self.among(fields, "dates", DATES) or ""),
            event=self.event(fields),
            event_from=self.column(fields, "event_from", "text"),
            events=events,
            user=user,
            anonymous=anonymous,
            time=time,
            id=self.column(fields, "id", "id"),
            channel=self.among(fields, "channel", CHANNELS) or "",
            channel_from=self.column(fields, "channel_from", "text"),
            fields=self.named(fields, "fields", PROPERTIES, known=True),
            traits=self.named(fields, "traits", TRAITS, known=False),
            place=self.source.place(node),
        )
        if shape == "table":
            self.complete(fields, what)
        return found if name else None

    def complete(self, fields: Fields, what: str) -> None:
        """A table says by itself neither who nor when nor what."""
        if not isinstance(fields.node, MappingNode):
            return
        if not {"user", "anonymous"} & fields.entries.keys():
            self.source.complain(fields.node, f"{what} needs 'user' or 'anonymous': the columns that say who")
        if "time" not in fields.entries:
            self.source.complain(fields.node, f"{what} needs 'time': the columns that say when")
        if not {"event", "event_from"} & fields.entries.keys():
            self.source.complain(fields.node, f"{what} needs 'event' (one name for all) or 'event_from' (its column)")

    def among(self, fields: Fields, key: str, known: Sequence[str] | Mapping[str, object]) -> str | None:
        """The value of ``key``, one of ``known``."""
        text = fields.text(key) if key in fields.entries else None
        if text is not None and text not in known:
            self.source.complain(fields.entries[key], f"unknown {key} {text!r}; {_fix(text, known)}")
            return None
        return text

    def events(self, fields: Fields) -> Mapping[str, str] | None:
        """Their names -> ours; ``*`` stands for what is not named."""
        node = fields.entries.get("events")
        if node is None:
            return None
        if not isinstance(node, MappingNode):
            self.source.complain(node, "'events' must be a mapping of their names to ours")
            return None
        found: dict[str, str] = {}
        for key, value in node.value:
            theirs = str(key.value) if isinstance(key, ScalarNode) else ""
            if theirs in found:
                self.source.complain(key, f"{theirs!r} stands here twice")
            found[theirs] = self.ours(value)
        return found

    def event(self, fields: Fields) -> str:
        return self.ours(fields.entries["event"]) if "event" in fields.entries else ""

    def ours(self, node: Node) -> str:
        """The name of an event that Mien knows."""
        text = str(node.value).strip() if isinstance(node, ScalarNode) else ""
        if text in (KEEP, SKIP) or text in CALLS or text.lower() in NAMES:
            return text
        self.source.complain(node, f"unknown event {text!r}; {_fix(text, OURS)}, or {KEEP}, or {SKIP}")
        return KEEP

    def named(self, fields: Fields, key: str, sorts: Mapping[str, str], *, known: bool) -> tuple[Column, ...]:
        """Columns by what of ours they become."""
        node = fields.entries.get(key)
        if node is None:
            return ()
        if not isinstance(node, MappingNode):
            self.source.complain(node, f"{key!r} must be a mapping of our names to their columns")
            return ()
        found: dict[str, Column] = {}
        for name, value in node.value:
            target = str(name.value) if isinstance(name, ScalarNode) else ""
            if known and target not in sorts:
                self.source.complain(name, f"unknown field {target!r}; {_fix(target, sorts)}")
            elif target in found:
                self.source.complain(name, f"{target!r} stands here twice")
            elif column := self.of(value, target, sorts.get(target, "text")):
                found[target] = column
        return tuple(found.values())

    def column(self, fields: Fields, key: str, sort: str) -> Column | None:
        return self.of(fields.entries[key], key, sort) if key in fields.entries else None

    def of(self, node: Node, target: str, sort: str) -> Column | None:
        """A column, a list of them, or ``{from:, as:, unit:}``."""
        unit = self.unit
        place = self.source.place(node)
        if isinstance(node, MappingNode):
            inner = Fields.of(self.source, node, f"{target!r}", _COLUMN)
            sort = self.among(inner, "as", SORTS) or sort
            unit = UNITS.get(self.among(inner, "unit", UNITS) or "", unit)
            if "unit" in inner.entries and sort != "amount":
                self.source.complain(
                    inner.entries["unit"], f"only amounts have a unit: {', '.join(MONEY)}, or as: amount"
                )
            found = inner.need("from", f"{target!r}")
            if found is None:
                return None
            node = found
        names = self.listed(node, target)
        return Column(target, names, sort, unit if sort == "amount" else 0, place) if names else None

    def texts(self, fields: Fields, key: str) -> tuple[str, ...]:
        return self.listed(fields.entries[key], key) if key in fields.entries else ()

    def listed(self, node: Node, what: str) -> tuple[str, ...]:
        nodes = node.value if isinstance(node, SequenceNode) else [node]
        if not nodes or not all(isinstance(each, ScalarNode) and each.value.strip() for each in nodes):
            self.source.complain(node, f"{what!r} must be a text or a list of texts")
            return ()
        return tuple(str(each.value).strip() for each in nodes)

    def zone(self, fields: Fields) -> str:
        name = fields.text("timezone") if "timezone" in fields.entries else None
        try:
            return ZoneInfo(name).key if name else ""
        except (ValueError, OSError, KeyError):
            self.source.complain(fields.entries["timezone"], f"unknown time zone {name!r}; use e.g. Asia/Shanghai")
            return ""

    def currency(self, fields: Fields) -> str:
        code = fields.text("currency") if "currency" in fields.entries else None
        if code is not None and not (len(code) == 3 and code.isascii() and code.isupper()):
            self.source.complain(fields.entries["currency"], f"{code!r} is no ISO 4217 code such as CNY")
        return code or ""

    def region(self, fields: Fields) -> str:
        code = fields.text("region") if "region" in fields.entries else None
        if code is not None and code not in phonenumbers.SUPPORTED_REGIONS:
            self.source.complain(fields.entries["region"], f"unknown region {code!r}; use an ISO 3166 code such as CN")
        return code or "CN"


def _fix(text: str, known: Sequence[str] | Mapping[str, object]) -> str:
    close = get_close_matches(text.lower(), [each.lower() for each in known], n=1, cutoff=0.6)
    right = [each for each in known if close and each.lower() == close[0]]
    return f"did you mean {right[0]}?" if right else f"known: {', '.join(known)}"
