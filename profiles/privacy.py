"""Personal data in the form that may be kept and shown.

Knows: which traits are personal and how each is masked.
Must not know: who asks.  What is masked here is gone: nothing downstream can show more.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

#: trait -> how it is masked; keys are compared by their letters and digits alone, so ``Phone_Number`` is ``phonenumber``
PRIVATE: Final = {
    **dict.fromkeys(("phone", "phonenumber", "mobile", "mobilephone", "mobilenumber", "cellphone", "tel"), "phone"),
    **dict.fromkeys(("telephone", "手机", "手机号", "手机号码", "电话", "联系电话"), "phone"),
    **dict.fromkeys(("email", "emailaddress", "mail", "邮箱", "电子邮箱"), "email"),
    **dict.fromkeys(("name", "firstname", "lastname", "fullname", "realname", "姓名", "真实姓名", "昵称"), "name"),
    **dict.fromkeys(("nickname", "contactname", "收货人", "联系人"), "name"),
    **dict.fromkeys(("address", "street", "地址", "收货地址", "住址", "身份证", "身份证号"), "rest"),
    **dict.fromkeys(("idcard", "idnumber", "passport", "birthday", "birthdate", "dateofbirth", "生日"), "rest"),
}
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_EMAIL_IN: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.ASCII)
_PHONE_IN: Final = re.compile(r"(?<![\d.])(?:\+?86[ -]?)?1[3-9]\d(?:[ -]?\d{4}){2}(?!\d)|\+\d[\d ()-]{6,18}\d")
_CARD_IN: Final = re.compile(r"(?<!\d)\d{17}[\dXx](?!\d)")  #: a Chinese identity card
_CHINESE: Final = re.compile(r"^(?:00)?86(1[3-9]\d{9})$")
_PHONE: Final = re.compile(r"(\+?86[ -]?)?1[3-9]\d([ -]?\d{4}){2}|\+\d[\d ()-]{6,18}\d")


def is_private(key: str, value: object) -> bool:
    """Whether a trait may only be kept masked: by its name, or because it looks like a phone number or an e-mail.

    >>> is_private("Phone-Number", ""), is_private("contact", "li.lei@example.com"), is_private("city", "上海")
    (True, True, False)
    """
    return _how(key, str(value)) is not None


def masked(key: str, value: str) -> str:
    """The part of a personal trait that may be seen.

    >>> masked("phone", "+8613812341234")
    '138****1234'
    >>> masked("phone", "13812341234"), masked("email", "li.lei@example.com"), masked("name", "张伟")
    ('138****1234', 'l***@example.com', '张*')
    """
    how = _how(key, value)
    if how == "phone":
        digits = _CHINESE.sub(r"\1", "".join(c for c in value if c.isdigit()))
        return f"{digits[:3]}****{digits[-4:]}" if len(digits) >= 11 else f"****{digits[-2:]}"
    if how == "email" and "@" in value:
        return f"{value[0]}***@{value.rsplit('@', 1)[1]}"
    if how == "name":
        return value[:1] + "*" * min(max(len(value) - 1, 1), 4)
    return "***"


def _how(key: str, value: str) -> str | None:
    how = _named(key)
    if how is None and _EMAIL.search(value):
        return "email" if _EMAIL.fullmatch(value) else "rest"
    return "phone" if how is None and _PHONE.fullmatch(value) else how


def without_addresses(text: str) -> str:
    """A text with its e-mail addresses cut out.

    >>> without_addresses("写信到 li.lei@example.com 吧")
    '写信到   吧'
    """
    return _EMAIL.sub(" ", text) if "@" in text else text


def scrubbed(text: str) -> str:
    """A text without what looks personal in it.

    >>> scrubbed("客户 13812341234 来电, 回 li.lei@example.com")
    '客户 138****1234 来电, 回 l***@example.com'
    """
    text = _EMAIL_IN.sub(lambda found: masked("email", found[0]), text)
    text = _CARD_IN.sub("***", text)
    return _PHONE_IN.sub(lambda found: masked("phone", found[0]), text)


@lru_cache(maxsize=4096)
def _named(key: str) -> str | None:
    return PRIVATE.get(plain(key))


def plain(key: str) -> str:
    """The name of a trait by its letters and digits alone: however an app spells it.

    >>> plain("Phone_Number"), plain("微信-openId")
    ('phonenumber', '微信openid')
    """
    return "".join(c for c in key.lower() if c.isalnum())
