"""What is heard of one customer: their stars, complaints and calls, and how their latest text reads.

A text is scored when it is asked for, with the params of then: what is stored depends on no version of any model.
Knows: a row, a sidecar, the world and the params to read them with.  Must not know: where they are stored, who asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import msgspec
import numpy as np

from profiles.clock import DAY, Int64s, Millis
from profiles.features import FEATURES, INDEX
from profiles.kernels.advance import World
from profiles.kernels.derive import derive
from profiles.kernels.horizon import offset_at
from profiles.kinds import Kind
from profiles.models import voice
from profiles.models.voice_params import Band, Params, band, probability
from profiles.sidecar import latest

Source = Literal["stars", "model"]

BANDS: Final[dict[Band, tuple[str, str]]] = {
    "positive": ("正面", "positive"),
    "neutral": ("中性", "neutral"),
    "negative": ("负面", "negative"),
}
KINDS: Final = {
    Kind.REVIEW: ("评价", "review"),
    Kind.COMPLAINT: ("投诉", "complaint"),
    Kind.SERVICE: ("咨询", "message"),
}
_ASKED: Final = ("reviews", "rated_reviews", "mean_stars", "complaints", "service_contacts")
_ALL: Final = np.arange(len(FEATURES), dtype=np.int64)


class Words(msgspec.Struct, frozen=True):
    """A customer's latest text, as far as it is kept: never the words themselves."""

    at: int  #: (ms)
    kind: str  #: ``review``, ``complaint`` or ``service``
    stars: int | None
    probability: float | None  #: that a review of this shop that reads so has 4 or 5 stars; null while only stars count
    band: Band | None
    zh: str | None  #: the band
    en: str | None


class Voice(msgspec.Struct, frozen=True):
    """What a customer lets the shop know."""

    id: str
    read_at: int  #: the moment it holds for (ms)
    source: Source  #: ``stars``: texts do not count, there is none or too little was learned; ``model``: the latest was read
    version: int  #: of the model; 0 while there is none
    reviews: int
    rated_reviews: int
    mean_stars: float | None
    complaints: int
    service_contacts: int
    latest: Words | None
    because_zh: str
    because_en: str


Line = tuple[str, str]  #: the same in Chinese and English


def heard(profile: str, row: Int64s, side: bytes | None, now: Millis, world: World, params: Params | None) -> Voice:
    """What is heard of a customer at ``now``; ``params`` are the live ones, if anything was ever learned."""
    x = np.full(len(FEATURES), np.nan)
    derive(row, now, offset_at(now, world.since, world.offset), _ALL, world.factor, world.people, x)
    told = {name: x.item(INDEX[name]) for name in _ASKED}
    counts = {name: int(told[name]) for name in _ASKED if name != "mean_stars"}
    stars = round(told["mean_stars"], 2) if counts["rated_reviews"] else None
    words = _words(side, params)
    lines = [*_numbers(counts, stars), *_read(words, params, now)]
    return Voice(
        id=profile,
        read_at=now,
        source="stars" if words is None or words.band is None else "model",
        version=params.version if params else 0,
        mean_stars=stars,
        latest=words,
        because_zh="；".join(zh for zh, _ in lines),
        because_en="; ".join(en for _, en in lines),
        **counts,
    )


def _words(side: bytes | None, params: Params | None) -> Words | None:
    found = latest(side)
    if found is None:
        return None
    at, said = found
    kind, stars = said.kind.name.lower(), said.stars or None
    if params is None or not params.ready:
        return Words(at, kind, stars, None, None, None, None)
    p = probability(params, said.grams)
    which = band(p, params.base_rate)
    return Words(at, kind, stars, round(p, 4), which, *BANDS[which])


def _numbers(counts: dict[str, int], stars: float | None) -> Iterator[Line]:
    rated, complaints, contacts = counts["rated_reviews"], counts["complaints"], counts["service_contacts"]
    if stars is None:
        yield "没有打过星", "no stars given"
    else:
        yield f"平均 {stars:g} 星（打分 {rated} 次）", f"{stars:g} stars on average ({rated} rated)"
    if complaints:
        yield f"投诉 {complaints} 次", f"{complaints} complaint{_s(complaints)}"
    if contacts:
        yield f"联系客服 {contacts} 次", f"{contacts} contact{_s(contacts)} with service"


def _read(words: Words | None, params: Params | None, now: Millis) -> Iterator[Line]:
    """How the latest text reads, or why that is not said."""
    if words is None:
        yield "没有留下文字", "nothing written"
    elif words.band is None:
        yield _not_yet(params)
    elif params is not None and words.probability is not None:
        days, (zh, en) = max(now - words.at, 0) // DAY, KINDS[Kind[words.kind.upper()]]
        p, usual = round(100 * words.probability), round(100 * params.base_rate)
        yield (
            f"最近的{zh}（{f'{days} 天前' if days else '今天'}）读来{words.zh}：像好评的可能性 {p}%，全店评价平均 {usual}%",
            (
                f"the latest {en} ({f'{days} day{_s(days)} ago' if days else 'today'}) reads {words.en}: "
                f"{p}% likely to go with 4 or 5 stars, {usual}% of this shop's reviews do"
            ),
        )


def _not_yet(params: Params | None) -> Line:
    good, bad = (params.positive, params.negative) if params else (0, 0)
    if good + bad < voice.ENOUGH or min(good, bad) < voice.BOTH:
        return (
            f"文字暂不计入，只看星级：已学好评 {good} 条、差评 {bad} 条，至少要 {voice.ENOUGH} 条且各 {voice.BOTH} 条",
            (
                f"only stars count yet: {good} good and {bad} bad reviews were read, "
                f"it takes {voice.ENOUGH}, {voice.BOTH} of each"
            ),
        )
    return (
        "文字暂不计入，只看星级：从文字猜星级还不够准",
        "only stars count yet: texts do not tell the stars well enough",
    )


def _s(count: int) -> str:
    return "" if count == 1 else "s"
