"""Invented people for the data's households: names, phones, e-mail, cities and where they like to shop.

All of it is simulated.  Phones start with 154, which no Chinese carrier uses, e-mail ends in a domain reserved for
examples; they exist so that masking has something to mask.  The same seed invents the same people, however many
households are asked for.
Knows: household ids.
Must not know: what anybody bought.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from streams.shoppers.acts import CHANNELS, STORE
from streams.shoppers.journey import Ints

LARGEST_ID: Final = 9999
INVENTED: Final = ("name", "phone", "email", "city", "origin")

_FAMILY_NAMES: Final = "王李张刘陈杨黄赵吴周徐孙马朱胡林郭何高罗郑梁谢宋唐许韩冯邓曹"
_GIVEN_NAMES: Final = [
    *"伟芳娜敏静丽强磊军洋勇艳杰娟涛超明霞平刚",
    "桂英",
    "秀兰",
    "建国",
    "海燕",
    "子轩",
    "欣怡",
    "浩然",
]
_CITIES: Final = [
    "上海",
    "北京",
    "广州",
    "深圳",
    "杭州",
    "成都",
    "武汉",
    "南京",
    "西安",
    "重庆",
    "苏州",
    "青岛",
    "厦门",
    "昆明",
]


@dataclass(frozen=True)
class People:
    """One entry per household of the journey, in its order."""

    names: list[str]
    phones: list[str]
    emails: list[str]
    cities: list[str]
    origins: list[str]  #: the channel a household likes best
    habits: Ints  #: thresholds out of 1000, one row per household, one column per channel but the last


def user_id(household: int) -> str:
    """The id under which a household appears in events.

    >>> user_id(900)
    'hh-900'
    """
    return f"hh-{household}"


def invent(seed: int, households: Ints) -> People:
    """People for these household ids (1 to 9999)."""
    rng = np.random.default_rng([seed, 1])
    family = rng.integers(len(_FAMILY_NAMES), size=LARGEST_ID + 1)[households]
    given = rng.integers(len(_GIVEN_NAMES), size=LARGEST_ID + 1)[households]
    weight = 1 / np.arange(2, len(_CITIES) + 2)
    city = rng.choice(len(_CITIES), size=LARGEST_ID + 1, p=weight / weight.sum())[households]
    shares = rng.dirichlet((0.5, 0.8, 0.6, 0.7), size=LARGEST_ID + 1)[households]
    return People(
        names=[_FAMILY_NAMES[f] + _GIVEN_NAMES[g] for f, g in zip(family, given, strict=True)],
        phones=[f"1540000{household:04d}" for household in households.tolist()],
        emails=[f"{user_id(household)}@example.com" for household in households.tolist()],
        cities=[_CITIES[c] for c in city],
        origins=[CHANNELS[best] for best in shares.argmax(axis=1)],
        habits=np.rint(shares.cumsum(axis=1)[:, :-1] * 1000).astype(np.int64),
    )


def channels(rng: np.random.Generator, people: People, household: Ints, *, online: bool = False) -> Ints:
    """A channel for each visit, after its household's habit; ``online`` leaves the store out."""
    habits = people.habits[household]
    limit = np.where(online, np.maximum(habits[:, STORE - 1], 1), 1000)
    drawn = (rng.random(len(household)) * limit)[:, np.newaxis]
    chosen: Ints = (drawn >= habits).sum(axis=1)
    return np.minimum(chosen, STORE - 1 if online else len(CHANNELS) - 1)
