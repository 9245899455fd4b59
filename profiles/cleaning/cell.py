"""What cleaning one value comes to, and the reasons that are counted.

Knows: reason codes and their sentences.  Must not know: how anything is cleaned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple


class Cleaned(NamedTuple):
    """A value as it may go on; None if the cell said nothing or was refused.

    ``repairs`` are codes of what was mended, ``refusal`` is the code of why there is no value, if it is not just empty.
    """

    value: Any = None
    repairs: tuple[str, ...] = ()
    refusal: str = ""


NOTHING: Final = Cleaned()

REPAIRS: Final[Mapping[str, tuple[str, str]]] = {
    "full_width": ("全角字符转为半角", "full-width forms made plain"),
    "invisible": ("去除不可见字符", "invisible characters taken out"),
    "whitespace": ("去除多余空白", "superfluous blanks taken out"),
    "thousands": ("去除千分位", "thousands separators taken out"),
    "decimal_comma": ("小数逗号转为小数点", "decimal comma made a point"),
    "currency_sign": ("去除货币符号", "currency sign taken out"),
    "wan": ("万、亿换算为数字", "万 and 亿 multiplied out"),
    "minor_unit": ("分换算为元", "minor units made major ones"),
    "negative_form": ("括号或后置负号转为负数", "brackets or a minus behind made a negative"),
    "excel_number": ("表格数字还原为文本", "a number of a spreadsheet made text again"),
    "excel_serial": ("Excel 日期序号转为时间", "serial date of a spreadsheet"),
    "epoch": ("时间戳转为时间", "seconds or microseconds since 1970"),
    "date_shape": ("日期格式统一", "another way to write a date"),
    "unit_word": ("去除单位", "a word for the unit taken out"),
    "phone_shape": ("手机号转为 E.164", "a phone number put into E.164"),
    "email_shape": ("邮箱格式统一", "an e-mail address put into one shape"),
}
"""Code -> (Chinese, English) of what was mended."""

REFUSALS: Final[Mapping[str, tuple[str, str]]] = {
    "undecodable": ("编码错误，含无法识别的字符", "characters were lost: is the file in another encoding?"),
    "not_a_number": ("不是数字", "no number"),
    "not_an_amount": ("不是金额", "no amount of money"),
    "other_currency": ("货币与来源设定不符", "a sign of another currency than the source's"),
    "amount_too_large": ("金额过大", "too large to be true"),
    "negative_amount": ("金额为负", "below zero"),
    "not_a_date": ("不是日期", "no date"),
    "ambiguous_date": ("日与月无法区分，请设置 dates", "day or month first? say `dates: day_first` or `month_first`"),
    "impossible_date": ("不存在的日期", "a day or an hour that never was"),
    "placeholder_date": ("占位日期", "a date that stands for none"),
    "too_old": ("早于 2000 年", "before the year 2000"),
    "in_future": ("晚于当前时间", "in the future"),
    "impossible_age": ("年龄不可能", "nobody is that old"),
    "not_a_phone": ("不是有效号码", "no phone number"),
    "placeholder_phone": ("占位号码", "a number that stands for none"),
    "masked": ("已脱敏，无法使用", "masked already"),
    "not_an_email": ("不是邮箱地址", "no e-mail address"),
    "missing_id": ("缺少客户标识", "nobody is named"),
    "blocked_id": ("占位客户标识", "an id that stands for nobody"),
    "missing_time": ("缺少时间", "no time"),
    "missing_event": ("缺少事件名", "no event name"),
    "unknown_type": ("未知的调用类型", "a type of call that is unknown"),
    "too_many_cells": ("列数多于表头", "more cells than the header has"),
    "not_a_record": ("不是一条记录", "no record"),
    "event_too_large": ("记录过大", "larger than 32 KB"),
    "skipped": ("按配置跳过", "left out, as the mapping says"),
}
"""Code -> (Chinese, English) of why a value or a row has no use."""
