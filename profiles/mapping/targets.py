"""What a column may become, and how it is cleaned on the way.

Knows: the properties that intake counts, the sorts of values.  Must not know: files, columns.
"""

from __future__ import annotations

from typing import Final

from profiles.said import TEXTS

SORTS: Final = ("text", "words", "id", "amount", "number", "whole", "age", "phone", "email", "time", "date")
"""How a value can be cleaned."""

MONEY: Final = ("revenue", "subtotal", "total", "shipping", "tax", "value", "discount", "price")
PROPERTIES: Final[dict[str, str]] = {
    **dict.fromkeys(MONEY, "amount"),
    **dict.fromkeys(TEXTS, "words"),
    "order_id": "id",
    "product_id": "id",
    "sku": "id",
    "category": "text",
    "brand": "text",
    "currency": "text",
    "quantity": "whole",
    "rating": "number",
}
"""Property that Mien counts or reads -> its sort."""

TRAITS: Final[dict[str, str]] = {
    "phone": "phone", "mobile": "phone", "手机": "phone", "手机号": "phone", "email": "email", "邮箱": "email",
    "age": "age", "年龄": "age", "birthday": "date", "生日": "date",
}  # fmt: skip
"""Trait -> its sort, where its name says it; others are text."""
