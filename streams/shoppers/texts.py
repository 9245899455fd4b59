"""Short invented sentences, Chinese and English, for reviews, complaints and calls to support."""

from __future__ import annotations

from typing import Final

#: by stars, 1 to 5
REVIEWS: Final[dict[int, tuple[str, ...]]] = {
    1: (
        "太差了，打开就是坏的，再也不买了",
        "质量很差，客服也不理人，失望",
        "Terrible. It was spoiled when I opened it.",
        "和描述完全不一样，浪费钱",
        "Broken on arrival, would not buy again.",
    ),
    2: ("有点失望，不太新鲜", "包装破了，味道一般", "Not great, too expensive for what it is.", "比上次差多了"),
    3: ("一般般，没有想象中好", "还行吧，价格有点贵", "It is okay, nothing special.", "凑合能用"),
    4: ("挺好的，会再买", "味道不错，送货也快", "Good quality, arrived on time.", "性价比高，推荐"),
    5: (
        "非常好！全家都喜欢😋",
        "很新鲜，包装也好，下次还买",
        "Excellent, my kids love it!",
        "物美价廉，强烈推荐👍",
        "Fresh and tasty, fast delivery. Perfect.",
    ),
}
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
