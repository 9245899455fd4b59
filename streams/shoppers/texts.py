"""Invented sentences, Chinese and English, for reviews, complaints and calls to support.

Reviews are put together from what pleased or annoyed: mostly as many stars say, sometimes the other way round, sometimes
saying nothing, as people do.  The same number gives the same text.
"""

from __future__ import annotations

from itertools import chain, product, zip_longest
from typing import Final

_ZH_GOOD: Final = (
    "很新鲜", "包装很好", "送货快", "味道不错", "性价比高", "全家都喜欢", "质量很好", "客服很耐心", "和描述一致", "物美价廉",
)  # fmt: skip
_ZH_BAD: Final = (
    "不新鲜", "包装破了", "送货太慢", "味道很差", "太贵了", "孩子不肯吃", "质量很差", "客服不理人", "和描述不一样", "快过期了",
)  # fmt: skip
_EN_GOOD: Final = (
    "fresh and tasty", "well packed", "fast delivery", "great value", "my kids love it", "good quality", "friendly service",
    "exactly as described",
)  # fmt: skip
_EN_BAD: Final = (
    "not fresh at all", "the box was crushed", "delivery took forever", "overpriced", "tasteless", "poor quality",
    "nobody answers my calls", "nothing like the picture",
)  # fmt: skip
#: by stars: how a review begins, in either language
_ZH: Final = {1: ("太差了", "再也不买了", "浪费钱"), 2: ("有点失望", "不太满意"), 3: ("一般般", "还行吧"), 4: ("挺好的", "会再买"), 5: ("非常好", "强烈推荐👍", "太满意了😋")}  # fmt: skip
_EN: Final = {
    1: ("Terrible", "Would not buy again", "Waste of money"),
    2: ("Disappointed", "Not great"),
    3: ("It is okay", "Average"),
    4: ("Pretty good", "Will buy again"),
    5: ("Excellent", "Perfect", "Highly recommended"),
}
_EMPTY: Final = ("收到了", "如题", "Received.", "As ordered, for the weekend.")  #: what may stand under any stars


def _written(stars: int) -> tuple[str, ...]:
    """All reviews of so many stars, Chinese and English in turn."""
    zh_said, zh_but = (_ZH_GOOD, _ZH_BAD) if stars >= 3 else (_ZH_BAD, _ZH_GOOD)
    en_said, en_but = (_EN_GOOD, _EN_BAD) if stars >= 3 else (_EN_BAD, _EN_GOOD)
    zh = [f"{begin}，{said}" for begin, said in product(_ZH[stars], zh_said)]
    zh += [f"{said}，{also}，{begin}" for begin, said, also in zip(_ZH[stars] * 5, zh_said, zh_said[3:], strict=False)]
    en = [f"{begin}: {said}." for begin, said in product(_EN[stars], en_said)]
    en += [f"{said.capitalize()} and {also}." for said, also in zip(en_said, en_said[3:], strict=False)]
    if stars in {2, 3, 4}:  # who is not quite sure says both
        zh += [f"{said}，就是{but}" for said, but in zip(zh_said, zh_but[4:], strict=False)]
        en += [f"{said.capitalize()}, but {but}." for said, but in zip(en_said, en_but[4:], strict=False)]
    turns = chain.from_iterable(zip_longest(zh, en))
    return (*(text for text in turns if text), *_EMPTY)


REVIEWS: Final = {stars: _written(stars) for stars in range(1, 6)}  #: by stars, 1 to 5
COMPLAINTS: Final = (
    "少发了一件商品，联系不上客服",
    "收到的牛奶已经过期了",
    "The order arrived two days late and half of it was thawed.",
    "优惠券明明有效却没有减",
    "I was charged twice for one order.",
    "配送员态度很差",
)
QUESTIONS: Final = (
    "请问什么时候能送到？",
    "积分怎么兑换？",
    "How do I change my delivery address?",
    "发票怎么开？",
    "Can I return an item in the store?",
)
TOPICS: Final = ("delivery", "points", "address", "invoice", "returns")
