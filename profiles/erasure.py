"""Orders about what may be kept of customers, and receipts of what was done.

Words are those of Segment's and RudderStack's regulation API: whoever has a privacy desk has them in their tools already.
Knows: what each kind of order does, which stores have something about a customer and until when.
Must not know: HTTP, Kafka, Redis.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, get_args

import msgspec

from profiles.clock import DAY, Millis
from profiles.inputs import Erase
from profiles.stable import bucket_of
from profiles.topics import DEAD_LETTER_DAYS, KEPT_DAYS
from profiles.wire import Transition

Kind = Literal["SUPPRESS", "SUPPRESS_WITH_DELETE", "DELETE_ONLY", "UNSUPPRESS"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
SUBJECTS: Final = 5000  #: most of one order, as with Segment
TOGETHER: Final = 200  #: customers of one commit, so that Redis is never busy for long

_DELETES: Final = frozenset({"SUPPRESS_WITH_DELETE", "DELETE_ONLY"})
_SUPPRESSES: Final[Mapping[str, bool | None]] = {
    "SUPPRESS": True, "SUPPRESS_WITH_DELETE": True, "DELETE_ONLY": None, "UNSUPPRESS": False,
}  # fmt: skip


class Subject(msgspec.Struct, frozen=True):
    """One of the ids it is about: in which bucket, the hash of the name, and of which of the customers it is."""

    bucket: int
    hash: str
    customer: int = 0


class Regulation(msgspec.Struct, frozen=True):
    """An order as it is kept: it names nobody."""

    id: str
    kind: Kind
    at: Millis
    by: str  #: name of the key that gave it
    subjects: tuple[Subject, ...]  #: in the order they were given in; ids that were merged into one stand for each

    @property
    def deletes(self) -> bool:
        """Whether what is there is destroyed."""
        return self.kind in _DELETES


class Kept(msgspec.Struct, frozen=True):
    """What is still somewhere after all that can be destroyed is, and until when."""

    store: str
    until: Millis | None  #: when the last of it is gone; None: it stays, and names nobody
    zh: str
    en: str
    scrubbed: Millis | None = None  #: it was taken out before that, with all that was there by then


class Scrubbed(msgspec.Struct, frozen=True):
    """Of what is still there since when all of it is; 0: since ever."""

    events: Millis = 0  #: of event topics
    letters: Millis = 0  #: of dead letters
    store: Millis = 0  #: of the files of the store: its append-only file and its own dump


class Done(msgspec.Struct, frozen=True):
    """What was destroyed of one customer in one place."""

    at: Millis
    gone: dict[str, int]


class Receipt(msgspec.Struct, frozen=True):
    """How far an order has come about one customer."""

    subject: str  #: hash of the id; subjects are in the order in which they were given
    state: Literal["pending", "running", "done"]
    gone: dict[str, dict[str, int]]  #: where -> what -> how many
    at: Millis | None  #: when the last of it was done


class Report(msgspec.Struct, frozen=True):
    """An order and what has become of it."""

    id: str
    regulation_type: Kind
    at: Millis
    by: str
    overall_status: Literal["INITIALIZED", "RUNNING", "FINISHED"]
    receipts: tuple[Receipt, ...]
    kept: tuple[Kept, ...]


CUSTOMER, ERASED = "customer", "erased"  #: what a transition says of a customer who was erased
decode: Final = msgspec.json.Decoder(Regulation).decode
decode_done: Final = msgspec.json.Decoder(Done, strict=False).decode
encode: Final = msgspec.json.Encoder(order="deterministic").encode


def place(regulation: str, hashed: str) -> str:
    """Under what receipts of a customer stand."""
    return f"{regulation}|{hashed}"


def told(bucket: int, seq: int, name: str, at: str, now: Millis, rules: int) -> Transition:
    """That a customer was erased, for whoever hears of transitions: the alert desk, and readers outside.

    Nothing about them that was said before is true any more, and it is said after all of that.  ``at``: ``place``.
    """
    return Transition(bucket, seq, name, CUSTOMER, ERASED, "left", now, now, "reconcile", rules, was=at)


def is_erased(transition: Transition) -> bool:
    """Whether it says that a customer was erased."""
    return transition.what == CUSTOMER and transition.name == ERASED


def subjects(names: Iterable[str], buckets: int, blind: Callable[[str], str], customer: int = 0) -> dict[str, Subject]:
    """The ids of a customer, each once; ``names`` are all of them, see ``lineage``."""
    return {name: Subject(bucket_of(name, buckets), blind(name), customer) for name in dict.fromkeys(names)}


def companions(order: Regulation, hashes: Container[str]) -> Iterator[Subject]:
    """The ids that an order suppressed together with one of these, which nobody can name any more.

    >>> order = Regulation("r", "SUPPRESS", 0, "", (Subject(1, "a", 0), Subject(2, "b", 0), Subject(3, "c", 1)))
    >>> [one.hash for one in companions(order, {"b"})]
    ['a', 'b']
    """
    if _SUPPRESSES[order.kind]:
        meant = {subject.customer for subject in order.subjects if subject.hash in hashes}
        yield from (subject for subject in order.subjects if subject.customer in meant)


def orders(regulation: Regulation, about: Mapping[str, Subject]) -> Iterator[tuple[int, Erase]]:
    """What each bucket is told, in pieces that one commit can do.

    >>> order = Regulation("r", "DELETE_ONLY", 0, "desk", ())
    >>> list(orders(order, {"u-1": Subject(2, "x")}))
    [(2, Erase(regulation='r', delete=True, suppress=None, subjects={'u-1': 'x'}))]
    """
    buckets: dict[int, list[str]] = {}
    for name, subject in about.items():
        buckets.setdefault(subject.bucket, []).append(name)
    for bucket, names in buckets.items():
        for start in range(0, len(names), TOGETHER):
            some = {name: about[name].hash for name in names[start : start + TOGETHER]}
            yield bucket, Erase(regulation.id, regulation.deletes, _SUPPRESSES[regulation.kind], some)


def report(
    regulation: Regulation,
    done: Sequence[Done | None],
    forgotten: Sequence[Done | None],
    scrubbed: Scrubbed = Scrubbed(),  # noqa: B008 - it never changes
) -> Report:
    """What has become of an order.  ``done``: by the bucket, ``forgotten``: by the alert desk; both as its subjects."""
    deletes = regulation.deletes
    receipts = tuple(
        _receipt(subject.hash, deletes, bucket, desk)
        for subject, bucket, desk in zip(regulation.subjects, done, forgotten, strict=True)
    )
    states = {receipt.state for receipt in receipts}
    status: Any = "FINISHED" if states <= {"done"} else "INITIALIZED" if states == {"pending"} else "RUNNING"
    last = max((each.at or 0 for each in receipts), default=0)
    kept = _kept(last or regulation.at, scrubbed if status == "FINISHED" else Scrubbed()) if deletes else ()
    return Report(regulation.id, regulation.kind, regulation.at, regulation.by, status, receipts, kept)


def _receipt(hashed: str, deletes: bool, bucket: Done | None, desk: Done | None) -> Receipt:
    if bucket is None:
        return Receipt(hashed, "pending", {}, None)
    if not deletes:
        return Receipt(hashed, "done", {}, bucket.at)
    gone = {"redis": bucket.gone}
    if desk is None:
        return Receipt(hashed, "running", gone, bucket.at)
    return Receipt(hashed, "done", {**gone, "alerts": desk.gone}, max(bucket.at, desk.at))


def _kept(at: Millis, scrubbed: Scrubbed) -> tuple[Kept, ...]:
    """What nobody can take out of a log before it ends; traits that Mien wrote itself are sealed, and the key is gone."""
    logs, letters = at + KEPT_DAYS * DAY, at + DEAD_LETTER_DAYS * DAY
    events = Kept(
        "events.*", logs, "应用写入的原始事件，到保留期满为止", "raw events as apps wrote them, until retention ends"
    )
    refused = Kept("dead-letters", letters, "无法识别的原始记录", "records that could not be read, as apps wrote them")
    dumps = Kept(
        "dumps", None, "旧备份和追加日志，由您删除", "older dumps of Redis and its append-only file: yours to delete"
    )
    if scrubbed.events >= at:
        zh, en = (
            "已清除；之后应用再写入的，到保留期满为止",
            "cut out; what apps wrote since then stays until its retention ends",
        )
        events = Kept("events.*", scrubbed.events, zh, en, scrubbed.events)
    if scrubbed.letters >= at:
        zh, en = "已清除", "cut out, with all that was there"
        refused = Kept("dead-letters", scrubbed.letters, zh, en, scrubbed.letters)
    if scrubbed.store >= at:
        zh, en = (
            "追加日志已重写；旧备份由您删除",
            "the append-only file was rewritten; older dumps of Redis: yours to delete",
        )
        dumps = Kept("dumps", None, zh, en, scrubbed.store)
    return (
        events,
        Kept("profile-inputs", logs, "个人信息已加密，密钥已销毁", "personal traits are sealed and the key is destroyed"),
        Kept("transitions, samples", logs, "只有客户编号，没有个人信息", "the customer's id, no personal traits"),
        refused,
        Kept("counts, params", None, "汇总数字；模型按散列值跟踪的样本", "sums; models follow a sample by hash"),
        dumps,
        Kept("audit", None, "只有编号的散列值", "a hash of the id, no more"),
    )  # fmt: skip
