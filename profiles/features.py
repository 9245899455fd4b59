"""The data dictionary: every feature a rule, a model or a screen can use.

A line says what a feature is called, in Chinese too, its unit, what it means, and from which measure it is read.
How it moves while the customer is silent follows from the operator and is part of the dictionary.
Knows: meanings.  Must not know: slots (``layout``), loops (``kernels``), thresholds (``tags.yaml``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from profiles import measures as m
from profiles.clock import DAY, HOUR, Int64s
from profiles.layout import LADDERS, LAYOUT
from profiles.operators import Op


class Unit(StrEnum):
    """What a feature is counted in."""

    COUNT = "count"
    MONEY = "money"  #: major units of the shop's currency
    DAYS = "days"
    HOURS = "hours"
    MINUTES = "minutes"
    RATIO = "ratio"
    STARS = "stars"
    SCORE = "score"
    PROBABILITY = "probability"
    HOUR_OF_DAY = "hour of day"
    WEEKDAY = "weekday"
    NAME = "name"  #: a stable code of a text; rules compare it with ``=``


class Silence(StrEnum):
    """What happens to a feature while the customer does nothing."""

    STAYS = "stays"
    RISES = "rises"
    FALLS = "falls"
    STEPS = "steps down or up as tiles leave the window"
    DRIFTS = "up or down; looked at once a week at the latest, at midnight while near a limit"


@dataclass(frozen=True)
class Feature:
    """One line of the dictionary."""

    name: str
    zh: str
    unit: Unit
    group: str
    meaning: str
    op: Op
    args: tuple[str | int, ...] = ()
    factor: float = 1.0
    money: bool = False  #: the measure is in minor units

    @property
    def silence(self) -> Silence:
        if self.op in (Op.RATIO, Op.LESS) and all(_named(arg).silence is Silence.STAYS for arg in self.args):
            return Silence.STAYS
        return _SILENCE[self.op]


def _named(name: str | int) -> Feature:
    return FEATURES[INDEX[str(name)]]


_SILENCE: Final = {
    **dict.fromkeys(Op, Silence.STAYS),
    **dict.fromkeys((Op.SINCE, Op.OVERDUE, Op.CART_HOURS), Silence.RISES),
    **dict.fromkeys((Op.RISK, Op.STAKE, Op.PRIORITY), Silence.DRIFTS),
    **dict.fromkeys((Op.WINDOW, Op.ACTIVE, Op.DECAYED, Op.SESSIONS, Op.VARIETY), Silence.FALLS),
    **dict.fromkeys((Op.RATIO, Op.LESS, Op.SCORE, Op.SESSION_MINUTES, Op.TOP), Silence.STEPS),
}


def _life(name: str, zh: str, meaning: str, group: str, measure: str = "", unit: Unit = Unit.COUNT) -> Feature:
    return Feature(name, zh, unit, group, meaning, Op.LIFE, (measure or name,), money=unit is Unit.MONEY)


def _window(name: str, zh: str, group: str, ring: str, tiles: int, unit: Unit = Unit.COUNT) -> Feature:
    hop = {HOUR: "hour", DAY: "day"}.get(_RINGS[ring].hop, "week")
    what = f"{ring.rsplit('_', 1)[0]} in the current {hop} and the {tiles - 1} before"
    return Feature(name, zh, unit, group, what, Op.WINDOW, (ring, tiles), money=unit is Unit.MONEY)


def _since(name: str, zh: str, group: str, measure: str, what: str) -> Feature:
    return Feature(name, zh, Unit.DAYS, group, f"days since {what}", Op.SINCE, (measure,))


def _ratio(name: str, zh: str, group: str, top: str, bottom: str, meaning: str, factor: float = 1.0) -> Feature:
    return Feature(name, zh, Unit.RATIO, group, meaning, Op.RATIO, (top, bottom), factor)


_RINGS: Final = {ring.name: ring for ring in m.TILES}
N, M, D = Unit.COUNT, Unit.MONEY, Unit.DAYS

_ACTIVITY: Final = (
    _since("days_known", "认识天数", "activity", "first_seen", "the first event"),
    _since("days_silent", "沉默天数", "activity", "last_seen", "the last event of any kind"),
    _since("days_since_visit", "未访问天数", "activity", "last_visit", "the last visit, view or cart"),
    _life("events", "事件总数", "all events but traits and opened messages", "activity"),
    _life("visits", "访问次数", "pages and screens opened", "activity"),
    _life("views", "浏览商品次数", "products viewed", "activity"),
    _life("searches", "搜索次数", "searches", "activity"),
    _window("events_1h", "近1小时事件数", "activity", "events_hourly", 1),
    _window("events_24h", "近24小时事件数", "activity", "events_hourly", 24),
    _window("views_1h", "近1小时浏览商品", "activity", "views_hourly", 1),
    _window("views_24h", "近24小时浏览商品", "activity", "views_hourly", 24),
    _window("events_7d", "近7天事件数", "activity", "events_daily", 7),
    _window("events_30d", "近30天事件数", "activity", "events_daily", 30),
    _window("events_90d", "近90天事件数", "activity", "events_daily", 90),
    _window("visits_7d", "近7天访问", "activity", "visits_daily", 7),
    _window("visits_30d", "近30天访问", "activity", "visits_daily", 30),
    _window("views_7d", "近7天浏览商品", "activity", "views_daily", 7),
    _window("views_30d", "近30天浏览商品", "activity", "views_daily", 30),
    _window("searches_30d", "近30天搜索", "activity", "searches_daily", 30),
    Feature("active_days_7d", "近7天活跃天数", D, "activity", "days with any event", Op.ACTIVE, ("events_daily", 7)),
    Feature("active_days_30d", "近30天活跃天数", D, "activity", "days with any event", Op.ACTIVE, ("events_daily", 30)),
    Feature("active_days_90d", "近90天活跃天数", D, "activity", "days with any event", Op.ACTIVE, ("events_daily", 90)),
    Feature(
        "sessions_7d",
        "近7天会话数",
        N,
        "activity",
        "runs of activity with gaps under 30 minutes",
        Op.SESSIONS,
        (7 * DAY,),
    ),
    Feature(
        "sessions_30d",
        "近30天会话数",
        N,
        "activity",
        "runs of activity with gaps under 30 minutes",
        Op.SESSIONS,
        (30 * DAY,),
    ),
    Feature(
        "session_minutes_30d",
        "近30天平均会话分钟",
        Unit.MINUTES,
        "activity",
        "mean length of a session, in steps of 10 minutes",
        Op.SESSION_MINUTES,
        (30 * DAY,),
    ),
    Feature(
        "peak_hour",
        "最活跃时段",
        Unit.HOUR_OF_DAY,
        "activity",
        "hour of the shop's day with most events",
        Op.PEAK,
        ("hours", 24),
    ),
    Feature(
        "peak_weekday",
        "最活跃星期",
        Unit.WEEKDAY,
        "activity",
        "weekday with most events, 0 is Monday",
        Op.PEAK,
        ("hours+24", 7),
    ),
    Feature(
        "night_share",
        "夜间占比",
        Unit.RATIO,
        "activity",
        "share of events from 22:00 to 06:00",
        Op.SHARE,
        ("hours", 24, 22, 6),
    ),
    Feature(
        "weekend_share",
        "周末占比",
        Unit.RATIO,
        "activity",
        "share of events on Saturday and Sunday",
        Op.SHARE,
        ("hours+24", 7, 5, 7),
    ),
    _ratio(
        "activity_trend",
        "活跃趋势",
        "activity",
        "events_30d",
        "events_90d",
        "events of 30 days against a third of those of 90 days; 1 is steady",
        3.0,
    ),
    _life("web_events", "网页事件", "events on the web", "channel"),
    _life("app_events", "App 事件", "events in the app", "channel"),
    _life("mini_program_events", "小程序事件", "events in a mini program", "channel"),
    _life("store_events", "门店事件", "events in a store", "channel"),
    _ratio("app_share", "App 占比", "channel", "app_events", "events", "share of events in the app"),
    _ratio(
        "mini_program_share",
        "小程序占比",
        "channel",
        "mini_program_events",
        "events",
        "share of events in a mini program",
    ),
    _ratio("web_share", "网页占比", "channel", "web_events", "events", "share of events on the web"),
    _ratio("store_share", "门店占比", "channel", "store_events", "events", "share of events in a store"),
)

_ORDERS: Final = (
    _life("orders", "订单总数", "orders, each once however often it was sent", "orders"),
    _life("revenue", "累计消费", "sum of orders", "orders", unit=M),
    _life("items", "累计件数", "items in all orders", "orders"),
    _life("refunds", "退款次数", "refunds and cancellations", "orders"),
    _life("refunded", "累计退款", "sum of refunds", "orders", unit=M),
    _life("discount", "累计优惠", "sum of coupons and discounts", "orders", unit=M),
    _life("discounted_orders", "用券订单数", "orders with any discount", "orders"),
    _life("largest_order", "最大单笔", "largest order", "orders", unit=M),
    _life("coupons", "用券操作次数", "coupons entered or applied", "orders"),
    Feature("net_revenue", "净消费", M, "orders", "revenue less refunds", Op.LESS, ("revenue", "refunded")),
    _ratio("average_order", "客单价", "orders", "revenue", "orders", "revenue per order, in money"),
    _ratio("items_per_order", "件单数", "orders", "items", "orders", "items per order"),
    _ratio(
        "discount_share", "优惠订单占比", "orders", "discounted_orders", "orders", "share of orders with a discount"
    ),
    _ratio("refund_rate", "退款率", "orders", "refunds", "orders", "refunds per order"),
    _since("days_since_first_order", "首单距今天数", "orders", "first_order", "the first order"),
    _since("days_since_order", "未下单天数", "orders", "last_order", "the last order"),
    _since("days_since_refund", "距上次退款天数", "orders", "last_refund", "the last refund"),
    _window("orders_24h", "近24小时订单", "orders", "orders_hourly", 24),
    _window("orders_7d", "近7天订单", "orders", "orders_daily", 7),
    _window("orders_30d", "近30天订单", "orders", "orders_daily", 30),
    _window("orders_90d", "近90天订单", "orders", "orders_daily", 90),
    _window("orders_365d", "近一年订单", "orders", "orders_weekly", 53),
    _window("spend_7d", "近7天消费", "orders", "revenue_daily", 7, M),
    _window("spend_30d", "近30天消费", "orders", "revenue_daily", 30, M),
    _window("spend_90d", "近90天消费", "orders", "revenue_daily", 90, M),
    _window("spend_365d", "近一年消费", "orders", "revenue_weekly", 53, M),
    _window("items_365d", "近一年件数", "orders", "items_weekly", 53),
    _window("refunds_90d", "近90天退款", "orders", "refunds_daily", 90),
    Feature("order_days_90d", "近90天下单天数", D, "orders", "days with an order", Op.ACTIVE, ("orders_daily", 90)),
    Feature("gap_days", "平均购买间隔", D, "orders", "mean days between orders", Op.GAP),
    Feature(
        "usual_gap_days",
        "惯常购买间隔",
        D,
        "orders",
        "the same, drawn towards the shop's mean while there are few orders",
        Op.USUAL_GAP,
    ),
    Feature(
        "gap_spread",
        "间隔离散度",
        Unit.RATIO,
        "orders",
        "coefficient of variation of the gaps between the latest 16 orders",
        Op.GAP_SPREAD,
    ),
    Feature(
        "overdue",
        "超期倍数",
        Unit.RATIO,
        "orders",
        "days since the last order in units of the customer's usual gap",
        Op.OVERDUE,
    ),
    Feature(
        "orders_decayed_7d",
        "衰减订单数(7天)",
        N,
        "orders",
        "orders, worth half after 7 days",
        Op.DECAYED,
        ("orders_daily", 7),
    ),
    Feature(
        "orders_decayed_30d",
        "衰减订单数(30天)",
        N,
        "orders",
        "orders, worth half after 30 days",
        Op.DECAYED,
        ("orders_daily", 30),
    ),
    Feature(
        "spend_decayed_30d",
        "衰减消费(30天)",
        M,
        "orders",
        "spend, worth half after 30 days",
        Op.DECAYED,
        ("revenue_daily", 30),
        money=True,
    ),
    _ratio(
        "order_trend",
        "下单趋势",
        "orders",
        "orders_30d",
        "orders_90d",
        "orders of 30 days against a third of those of 90 days; 1 is steady",
        3.0,
    ),
    _ratio(
        "spend_trend",
        "消费趋势",
        "orders",
        "spend_30d",
        "spend_90d",
        "spend of 30 days against a third of that of 90 days; 1 is steady",
        3.0,
    ),
)

_INTEREST: Final = (
    Feature("top_category", "最爱品类", Unit.NAME, "interest", "category with most interest lately", Op.TOP, (0,)),
    Feature("top_brand", "最爱品牌", Unit.NAME, "interest", "brand with most interest lately", Op.TOP, (1,)),
    Feature("top_item", "最爱商品", Unit.NAME, "interest", "item with most interest lately", Op.TOP, (2,)),
    Feature(
        "categories", "关注品类数", N, "interest", "categories with interest in 90 days, 8 at most", Op.VARIETY, (0,)
    ),
    Feature("brands", "关注品牌数", N, "interest", "brands with interest in 90 days, 6 at most", Op.VARIETY, (1,)),
    _life("wishes", "收藏次数", "items put on a wish list", "interest"),
    Feature(
        "cart_items",
        "购物车件数",
        N,
        "interest",
        "items added and neither removed nor ordered since, 8 at most",
        Op.CART,
    ),
    Feature(
        "cart_hours",
        "购物车停留小时",
        Unit.HOURS,
        "interest",
        "hours since the oldest of them was added",
        Op.CART_HOURS,
    ),
)

_PATH: Final = (
    _life("cart_adds", "加购次数", "items added to a cart", "path"),
    _life("cart_removes", "移出购物车次数", "items removed from a cart", "path"),
    _life("checkouts", "结算次数", "checkout steps", "path"),
    _window("carts_24h", "近24小时加购", "path", "carts_hourly", 24),
    _window("carts_7d", "近7天加购", "path", "carts_daily", 7),
    _window("carts_30d", "近30天加购", "path", "carts_daily", 30),
    _window("checkouts_30d", "近30天结算", "path", "checkouts_daily", 30),
    _ratio("view_to_cart_30d", "浏览→加购", "path", "carts_30d", "views_30d", "cart adds per view in 30 days"),
    _ratio("cart_to_order_30d", "加购→下单", "path", "orders_30d", "carts_30d", "orders per cart add in 30 days"),
    _ratio("view_to_order_30d", "浏览→下单", "path", "orders_30d", "views_30d", "orders per view in 30 days"),
    Feature("last_step", "最近一步", Unit.NAME, "path", "latest of visit, view, cart add, checkout, order", Op.STEP),
    _since("days_since_cart", "距上次加购天数", "path", "last_cart", "the last cart add"),
    _since("days_since_checkout", "距上次结算天数", "path", "last_checkout", "the last checkout step"),
)

_VOICE: Final = (
    _life("reviews", "评价次数", "reviews written", "voice"),
    _ratio("mean_stars", "平均星级", "voice", "star_sum", "rated_reviews", "mean stars of the reviews that give any"),
    _life("complaints", "投诉次数", "complaints", "voice"),
    _life("service_contacts", "联系客服次数", "contacts with service", "voice"),
    _window("voice_30d", "近30天投诉与咨询", "voice", "voice_daily", 30),
    _window("voice_90d", "近90天投诉与咨询", "voice", "voice_daily", 90),
    _since("days_since_complaint", "距上次投诉天数", "voice", "last_complaint", "the last complaint"),
    _since("days_since_service", "距上次咨询天数", "voice", "last_service", "the last contact with service"),
    _since("days_since_review", "距上次评价天数", "voice", "last_review", "the last review"),
    _life("shares", "分享次数", "products or carts shared", "social"),
    _life("invites", "邀请次数", "invitations sent", "social"),
    _life("messages_opened", "打开消息次数", "e-mails, pushes and texts opened", "social"),
    _since("days_since_message_open", "距上次打开消息天数", "social", "last_message_open", "a message was opened"),
)

_LIFE_OF_ORDERS: Final = ("orders", "days_since_order", "days_since_first_order")  #: what BG/NBD asks

_VALUE: Final = (
    Feature("r_score", "R 得分", Unit.SCORE, "value", "recency of orders, 5 is the best fifth of customers",
            Op.SCORE, ("days_since_order", 0), -1.0),
    Feature("f_score", "F 得分", Unit.SCORE, "value", "orders in a year, 5 is the best fifth of customers",
            Op.SCORE, ("orders_365d", 1), 1.0),
    Feature("m_score", "M 得分", Unit.SCORE, "value", "spend in a year, 5 is the best fifth of customers",
            Op.SCORE, ("spend_365d", 2), 1.0),
    Feature("risk", "流失风险", Unit.PROBABILITY, "risk",
            "probability of no order within the horizon; before a model serves, how far silence has outgrown the "
            "customer's own rhythm (not calibrated)",
            Op.RISK, ("overdue", *_LIFE_OF_ORDERS)),
    Feature("at_stake", "风险金额", Unit.MONEY, "risk",
            "risk times what a year of the customer's orders would be worth if they stay; unknown until a model serves",
            Op.STAKE, ("risk", *_LIFE_OF_ORDERS, "average_order")),
    Feature("rescue_priority", "挽留优先级", Unit.RATIO, "risk",
            "at_stake divided by what the budget of alerts asks for; 1 while there is no such line",
            Op.PRIORITY, ("at_stake", "risk")),
    *(Feature(ladder, zh, Unit.NAME, "standing", f"where the customer stands on the ladder '{ladder}'", Op.RUNG,
              (LADDERS.index(ladder),))
      for ladder, zh in (("stage", "生命周期"), ("rfm", "RFM 分类"), ("tier", "价值层级"))),
)  # fmt: skip

_TRAITS: Final = tuple(
    Feature(name, zh, Unit.COUNT if m.TRAITS[name] else Unit.NAME, "who", meaning, Op.TRAIT, (f"trait_{name}",))
    for name, zh, meaning in (
        ("age", "年龄", "age in years"),
        ("household_size", "家庭人数", "people in the household"),
        ("kids_count", "孩子数", "children in the household"),
        ("age_band", "年龄段", "age band as the source gives it"),
        ("income_band", "收入段", "income band as the source gives it"),
        ("gender", "性别", "gender as the source gives it"),
        ("city", "城市", "city"),
        ("province", "省份", "province"),
        ("marital_status", "婚姻状况", "marital status as the source gives it"),
        ("home_ownership", "住房", "home ownership as the source gives it"),
        ("member_level", "会员等级", "member level"),
        ("origin", "来源渠道", "channel of origin"),
    )
)

_STARS: Final = (
    Feature("star_sum", "星级合计", Unit.STARS, "voice", "sum of stars", Op.LIFE, ("stars",)),
    Feature("rated_reviews", "带星评价数", N, "voice", "reviews that give stars", Op.LIFE, ("rated",)),
)

FEATURES: Final[tuple[Feature, ...]] = _STARS + _TRAITS + _ACTIVITY + _ORDERS + _INTEREST + _PATH + _VOICE + _VALUE
INDEX: Final[dict[str, int]] = {feature.name: i for i, feature in enumerate(FEATURES)}
CUT_FEATURES: Final = ("days_since_order", "orders_365d", "spend_365d", "average_order")  #: rows of Population.cuts


#: ways to read that take features, not slots
COMPOSED: Final = frozenset({Op.RATIO, Op.LESS, Op.RISK, Op.STAKE, Op.PRIORITY})
SCORED: Final = frozenset({Op.RISK, Op.STAKE, Op.PRIORITY})  #: what a learned model says


def _slot(name: str) -> int:
    base, _, plus = name.partition("+")
    return LAYOUT.start[base] + int(plus or 0)


def _row(feature: Feature) -> tuple[int, ...]:
    op, args = feature.op, feature.args
    if op in (Op.WINDOW, Op.ACTIVE, Op.DECAYED):
        ring = _RINGS[str(args[0])]
        head = {HOUR: "head_hour", DAY: "head_day"}.get(ring.hop, "head_week")
        numbers = [_slot(ring.name), ring.count, ring.hop, _slot(head), int(args[1])]
    elif op in COMPOSED:
        numbers = [INDEX[str(name)] for name in args]
    elif op is Op.SCORE:
        numbers = [INDEX[str(args[0])], int(args[1])]
    elif op in (Op.GAP, Op.USUAL_GAP, Op.GAP_SPREAD, Op.OVERDUE):
        numbers = [_slot("orders"), _slot("first_order"), _slot("last_order")]
    elif op is Op.STEP:
        numbers = [_slot("step")]
    else:
        numbers = [_slot(arg) if isinstance(arg, str) else arg for arg in args]
    return (op, *numbers, *([0] * (5 - len(numbers))))


#: the dictionary as the kernels want it: rows (op, a, b, c, d, e), the arguments meaning what the operator says
FEATURE_ROWS: Final[Int64s] = np.array([_row(feature) for feature in FEATURES], np.int64)


@lru_cache(maxsize=4)
def factors(exponent: int = 2) -> npt.NDArray[np.float64]:
    """What each feature is multiplied by; ``exponent`` is the currency's number of minor digits (ISO 4217)."""
    minor = 10.0**-exponent
    return np.array([feature.factor * (minor if feature.money else 1.0) for feature in FEATURES])
