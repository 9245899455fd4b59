"""Why something was not sent, in words for people: the reason codes of the alert desk's ledger.

Knows: codes and sentences, Chinese and English.
Must not know: when a reason applies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from profiles.alerts import Text

REASONS: Final[Mapping[str, Text]] = {
    "backfill": Text("历史数据补录，不触达客户", "imported history never sends"),
    "reconcile": Text("规则变更引起的重算，不触达客户", "a change of rules never sends"),
    "merge": Text("客户合并引起，不触达客户", "a merge of customers never sends"),
    "stale": Text("已经过时，不再发送", "too old to act on"),
    "already_raised": Text("同一次预警已经发出过", "this very alert was raised before"),
    "episode_open": Text("该客户已有未结束的同类预警", "the customer has an open alert of this policy"),
    "below_line": Text("风险金额未达到当日名额的门槛", "too little at stake for one of the day's alerts"),
    "over_budget": Text("当日预警名额已用完", "the day's alerts were used up"),
    "already_recovered": Text("发送前客户已恢复", "the customer recovered before it was sent"),
    "no_consent": Text("客户未同意接收或已拒收", "the customer did not agree to be texted, or refused"),
    "suppressed": Text("客户已被列入禁止处理名单", "the customer is suppressed"),
    "sms_off": Text("短信已关闭", "SMS are switched off"),
    "no_template": Text("该策略没有短信模板", "the policy has no SMS template"),
    "endpoint_disabled": Text("回调地址已停用", "the endpoint said 410 Gone and is disabled"),
    "endpoint_removed": Text("回调地址已从配置中移除", "the endpoint is no longer configured"),
    "endpoint_gone": Text("回调地址返回 410，已停用", "the endpoint answered 410 Gone and was disabled"),
    "forbidden_address": Text("回调地址不允许访问", "the address of the endpoint may not be called"),
    "too_large": Text("内容超过 20 KB", "the message would exceed 20 KB"),
    "alert_expired": Text("预警记录已过期", "the alert is no longer kept"),
    "bad_answer": Text("对方返回错误状态", "the endpoint did not answer 2xx"),
    "no_answer": Text("对方没有响应", "no answer in time, or no connection"),
    "not_accepted": Text("短信服务商未接收", "the SMS provider did not accept it"),
    "outcome_unknown": Text("发送结果未知，不重发", "nobody knows whether it was sent; it is not sent again"),
    "interrupted": Text("最后一次发送时中断", "interrupted during its last attempt"),
}
"""Code -> sentence; the codes are counted and filtered by, so they never change their meaning."""
