"""Reasons and gaps as sentences, in Chinese for the person at the desk and in English.

Knows: how amounts, days and names are written.  Must not know: how reasons are found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from profiles.features import FEATURES, INDEX, Feature, Unit
from profiles.intake import exponent_of
from profiles.rules.document import Label
from profiles.rules.explain import Gap
from profiles.wire import Because

Language = Literal["zh", "en"]
REMEMBERED: Final = 8192  #: sentences a speaker keeps; customers share most of theirs

_NO_LABELS: Final[Mapping[str, Label]] = {}
_SIGNS: Final = {">=": "≥", "<=": "≤", "!=": "≠"}
_STEPS: Final = {"visit": "访问", "view": "浏览商品", "cart_add": "加购", "checkout": "结算", "order": "下单"}
_WEEKDAYS: Final = {
    "zh": ["周一", "周二", "周三", "周四", "周五", "周六", "周日"],
    "en": ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
}

#: what a count counts: part of the feature's name -> Chinese measure word, English singular and plural
_COUNTED: Final = (
    ("order", "单", "order", "orders"),
    ("item", "件", "item", "items"),
    ("session", "次", "session", "sessions"),
    ("household", "人", "person", "people"),
    ("kids", "个", "child", "children"),
    ("categories", "个", "category", "categories"),
    ("brands", "个", "brand", "brands"),
    ("age", "岁", "year", "years"),
    ("refund", "次", "refund", "refunds"),
    ("complaint", "次", "complaint", "complaints"),
    ("visits", "次", "visit", "visits"),
    ("view", "次", "view", "views"),
)
_UNITS: Final = {
    Unit.DAYS: ("天", "day", "days"),
    Unit.HOURS: ("小时", "hour", "hours"),
    Unit.MINUTES: ("分钟", "minute", "minutes"),
    Unit.STARS: ("星", "star", "stars"),
    Unit.SCORE: ("分", "point", "points"),
    Unit.COUNT: ("次", "time", "times"),
}


def say(what: Because | Gap, language: Language, currency: str = "", labels: Mapping[str, Label] = _NO_LABELS) -> str:
    """One reason or gap as a sentence.

    ``labels`` (``RuleBook.labels``) gives tags and rungs their names for people, ``currency`` amounts theirs.

    >>> say(Because("spend_365d", ">=", 512.4, 500.0), "zh"), say(Because("spend_365d", ">=", 512.4, 500.0), "en")
    ('近一年消费 512.40 ≥ 500.00', 'spend_365d 512.40 ≥ 500.00')
    >>> say(Gap("orders_365d", ">=", 1.0, 3.0, 2.0), "zh"), say(Gap("orders_365d", ">=", 1.0, 3.0, 2.0), "en")
    ('近一年订单 1，还差2单（需 ≥ 3）', 'orders_365d 1: 2 orders short (needs ≥ 3)')
    """
    return Speaker(language, currency, labels).say(what)


class Speaker:
    """A language, a currency and the labels of one rule book; what it said lately it need not put into words again."""

    def __init__(self, language: Language, currency: str = "", labels: Mapping[str, Label] = _NO_LABELS) -> None:
        self.chinese = language == "zh"
        self.currency = currency
        self.labels = labels
        self._digits = exponent_of(currency)
        self._said: dict[Because | Gap, str] = {}

    def say(self, what: Because | Gap) -> str:
        """One reason or gap as a sentence."""
        said = self._said.get(what)
        if said is None:
            if len(self._said) >= REMEMBERED:
                self._said.clear()
            said = self._said[what] = self._put(what)
        return said

    def _put(self, what: Because | Gap) -> str:
        if what.compare in ("held", "not held"):
            return self.tag(what)
        return self.gap(what) if isinstance(what, Gap) else self.reason(what)

    def tag(self, what: Because | Gap) -> str:
        label = self.labels.get(what.feature)
        name = what.feature if label is None else label.zh if self.chinese else label.en
        held, gap = what.compare == "held", isinstance(what, Gap)
        if self.chinese:
            return ("需要先有" if gap else "有") * held + ("不能有" if gap else "没有") * (not held) + f"标签「{name}」"
        return (
            ("needs" if gap else "has") * held
            + ("must not have" if gap else "does not have") * (not held)
            + f" tag {name!r}"
        )

    def reason(self, what: Because) -> str:
        feature = FEATURES[INDEX[what.feature]]
        sign = _SIGNS.get(what.compare, what.compare)
        if what.compare == "is unknown":
            return f"{self.of(feature)} " + ("暂无数据" if self.chinese else "is unknown")
        value, limit = self.pair(feature, what.value, what.limit)
        if what.compare == "is known":
            return (
                f"{self.of(feature)} {value}" if value else f"{self.of(feature)} " + ("已知" if self.chinese else sign)
            )
        if sign == "=" and value == limit:
            return f"{self.of(feature)} = {limit}"
        return f"{self.of(feature)} {value} {sign} {limit}".replace("  ", " ")

    def gap(self, what: Gap) -> str:
        feature = FEATURES[INDEX[what.feature]]
        value, limit = self.pair(feature, what.value, what.limit)
        needs = f"{_SIGNS.get(what.compare, what.compare)} {limit}".strip()
        if what.compare in ("is known", "is unknown"):
            needs = ("有数据" if what.compare == "is known" else "无数据") if self.chinese else what.compare
        if what.short is not None:
            return self.short(feature, value, needs, what.short)
        if self.chinese:
            return f"{feature.zh} {value or '暂无数据'}（需 {needs}）"
        return f"{feature.name} {value or 'is unknown'} (needs {needs})"

    def short(self, feature: Feature, value: str, needs: str, short: float) -> str:
        """A gap that can be measured."""
        amount = self.amount(feature, abs(short))
        if self.chinese:
            how = f"还差{amount}" if short > 0 else f"多出{amount}" if short < 0 else "正在界上"
            return f"{feature.zh} {value}，{how}（需 {needs}）"
        how = f"{amount} short" if short > 0 else f"{amount} too many" if short < 0 else "exactly at the limit"
        return f"{feature.name} {value}: {how} (needs {needs})"

    def of(self, feature: Feature) -> str:
        return feature.zh if self.chinese else feature.name

    def amount(self, feature: Feature, number: float) -> str:
        """A difference with its unit: ``2单``, ``2 orders``, ``87.60 USD``."""
        text = self.number(feature, number, 0)
        if feature.unit not in _UNITS:
            return text
        zh, one, many = _UNITS[feature.unit]
        if feature.unit is Unit.COUNT:
            zh, one, many = next((words for part, *words in _COUNTED if part in feature.name), (zh, one, many))
        return f"{text}{zh}" if self.chinese else f"{text} {one if text == '1' else many}"

    def pair(self, feature: Feature, value: float | str | None, limit: float | str | None) -> tuple[str, str]:
        """Value and limit; with as many digits as it takes to tell them apart."""
        texts = self.text(feature, value, 0), self.text(feature, limit, 0)
        if isinstance(value, float) and isinstance(limit, float) and abs(value - limit) > 1:
            return texts  # no rounding makes these the same
        for more in range(1, 5):
            if _bare(texts[0]) != _bare(texts[1]) or value == limit:
                break
            texts = self.text(feature, value, more), self.text(feature, limit, more)
        return texts

    def text(self, feature: Feature, value: float | str | None, more: int) -> str:
        if value is None:
            return ""
        if not isinstance(value, str):
            return self.number(feature, value, more)
        label = self.labels.get(f"{feature.name}.{value}")
        if label is not None:
            return label.zh if self.chinese else label.en
        return _STEPS.get(value, value) if self.chinese and feature.name == "last_step" else value

    def number(self, feature: Feature, value: float, more: int) -> str:
        """A number in the feature's unit, with ``more`` digits than usual."""
        value += 0.0  # of two zeros that are equal, the one without a sign
        if feature.unit is Unit.MONEY or feature.name == "average_order":
            text = f"{value:.{self._digits + more}f}"
            return f"{text} {self.currency}".strip()
        if feature.unit is Unit.PROBABILITY:
            return f"{100 * value:.{more}f}%"
        if feature.unit is Unit.HOUR_OF_DAY:
            return f"{value:02.0f}:00"
        if feature.unit is Unit.WEEKDAY and value in range(7):
            return _WEEKDAYS["zh" if self.chinese else "en"][int(value)]
        if value == round(value):
            return f"{value:.0f}"
        return f"{value:.{(1 if feature.unit in (Unit.DAYS, Unit.HOURS, Unit.MINUTES) else 2) + more}f}"


def _bare(text: str) -> str:
    """A number without the zeros that say nothing."""
    number = text.partition(" ")[0]
    return number.rstrip("0").rstrip(".") if "." in number else number
