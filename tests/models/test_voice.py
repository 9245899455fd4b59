"""The learner of voices: what it may say, when, how well, and what nobody can do to it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.errors import ModelMismatch
from profiles.grams import SIZE, grams, pack, unpack
from profiles.models import quality, voice
from profiles.models import voice_params as published
from profiles.models.voice_params import Params, band, leaning, probability
from profiles.wire import Opinion, decode_lesson
from profiles.wire import encode as encode_message
from streams.shoppers.texts import REVIEWS

STARS: Final = (0.06, 0.06, 0.13, 0.30, 0.45)  #: of 1 to 5, as in the demo
Text = tuple[int, str]


def opinions(texts: Sequence[Text]) -> list[Opinion]:
    return [Opinion(0, i + 1, f"u-{i}", i, stars, pack(grams(text))) for i, (stars, text) in enumerate(texts)]


def shop(count: int, seed: int = 1, which: str = "") -> list[Text]:
    """Reviews as customers of the demo write them; ``zh`` or ``en`` only, if asked."""
    dice = random.Random(seed)
    kept = {stars: [text for text in texts if which in ("", language(text))] for stars, texts in REVIEWS.items()}
    return [(stars, dice.choice(kept[stars])) for stars in dice.choices(range(1, 6), STARS, k=count)]


def language(text: str) -> str:
    return "zh" if any("\u4e00" <= c <= "\u9fff" for c in text) else "en"


def learned(read: Sequence[Opinion]) -> voice.Memory:
    memory = voice.zero()
    voice.update(memory, read)
    return memory


def params(memory: voice.Memory) -> Params:
    found = voice.read(memory, 1)
    assert found is not None
    return found


def says(model: Params, text: str) -> float:
    return probability(model, grams(text))


LOG: Final = opinions(shop(1500))


@pytest.mark.parametrize("which", ["zh", "en", ""])
def test_forecasts_made_before_the_stars_were_known_are_good_and_calibrated(which: str) -> None:
    """Real corpora: docs/decisions/015."""
    told = params(learned(opinions(shop(1500, which=which)))).metrics
    served, base = told["served"], told["base_rate"]
    assert (served["auc"] or 0) > 0.9
    assert (served["accuracy"] or 0) > (base["accuracy"] or 1) + 0.05
    assert (served["log_loss"] or 9) < 0.6 * (base["log_loss"] or 0)
    assert (served["ece"] or 1) < 0.05


@pytest.mark.parametrize("which", ["zh", "en"])
def test_it_reads_texts_that_it_never_saw(which: str) -> None:
    """What was learned is words, not whole sentences: half of the different texts are kept from it."""
    texts = [
        (stars, text) for stars, some in REVIEWS.items() for text in some if language(text) == which and stars != 3
    ]
    random.Random(5).shuffle(texts)
    half = len(texts) // 2
    model = params(learned(opinions(random.Random(6).choices(texts[:half], k=800))))
    p = np.array([says(model, text) for _, text in texts[half:]])
    assert (quality.auc(p, np.array([stars > 3 for stars, _ in texts[half:]])) or 0) > 0.85


def test_what_is_published_says_what_the_learner_says() -> None:
    memory = learned(LOG)
    model = published.decode(published.encode(params(memory)))
    for opinion in LOG[:200]:
        codes = unpack(opinion.grams)
        own = memory.regression.predict_proba_one(dict.fromkeys(codes, len(codes) ** -0.5))[True]  # type: ignore[no-untyped-call]
        assert probability(model, codes) == pytest.approx(own, abs=2e-3)


# --- when it may speak -------------------------------------------------------------------------------------------------


def test_before_the_first_rated_text_there_is_nothing() -> None:
    assert voice.read(voice.zero(), 1) is None


@pytest.mark.parametrize(
    ("texts", "ready"),
    [
        (shop(150), False),
        ([(5, "非常好")] * 171 + [(1, "太差了")] * 29, False),
        ([(5, "非常好"), (1, "太差了")] * 99, False),
        ([(5, "非常好"), (1, "太差了")] * 100, True),
        ([(3, "一般般")] * 900, False),
        (shop(400), True),
    ],
    ids=["too few", "too few bad ones", "198", "200", "nobody takes sides", "enough"],
)
def test_it_speaks_once_it_has_read_enough_of_both_sorts(texts: list[Text], ready: bool) -> None:
    assert params(learned(opinions(texts))).ready is ready


def test_where_words_say_nothing_of_the_stars_it_never_speaks() -> None:
    dice = random.Random(2)
    texts = [(dice.choice((1, 5)), text) for _, text in shop(2000)]
    assert not params(learned(opinions(texts))).ready


def test_it_falls_silent_when_words_no_longer_say_anything() -> None:
    memory, dice = learned(LOG), random.Random(4)
    assert params(memory).ready
    voice.update(memory, opinions([(dice.choice((1, 5)), text) for _, text in shop(voice.WINDOW, seed=9)]))
    assert not params(memory).ready


# --- honest about a shop's mix ------------------------------------------------------------------------------------------


def test_a_probability_is_one_in_the_shops_own_mix_and_words_that_say_nothing_are_neutral() -> None:
    model = params(learned(opinions(shop(2000))))
    assert model.base_rate == pytest.approx(0.86, abs=0.03)
    nothing = says(model, "收到了")
    assert nothing > 0.6
    assert band(nothing, model.base_rate) != "negative"
    assert band(model.base_rate, model.base_rate) == "neutral"
    assert band(says(model, "太差了，再也不买了，浪费钱"), model.base_rate) == "negative"
    assert band(says(model, "Excellent, fast delivery, great value"), model.base_rate) == "positive"


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_band_is_only_given_if_both_views_of_a_text_agree(p: float, base: float) -> None:
    lean = leaning(p, base)
    assert 0.0 < lean < 1.0
    if band(p, base) == "negative":
        assert max(p, lean) <= 0.4
    if band(p, base) == "positive":
        assert min(p, lean) >= 0.6


# --- what nobody can do to it -------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(-9, 9), st.text(max_size=120)), max_size=12))
def test_whatever_is_told_every_number_stays_finite_and_the_memory_bounded(told: list[tuple[int, str]]) -> None:
    memory = learned([Opinion(0, i, "u", i, stars, packed) for i, (stars, packed) in enumerate(told)])
    assert np.isfinite(list(memory.regression.weights.values())).all()
    assert len(memory.regression.weights) <= SIZE
    if (found := voice.read(memory, 1)) is not None:
        assert published.decode(published.encode(found)) == found
        assert 0.0 < says(found, "好") < 1.0


def test_memory_and_params_stop_growing() -> None:
    """Every code there is, ten thousand texts: the state ends at what all codes need."""
    dice = np.random.default_rng(3)
    codes = np.sort(dice.integers(0, SIZE, (10_000, 60)), axis=1)
    told = [
        Opinion(0, i + 1, "u", i, 1 + 4 * (i % 2), pack(tuple(dict.fromkeys(row))))
        for i, row in enumerate(codes.tolist())
    ]
    memory = learned(told)
    assert len(memory.regression.weights) == SIZE
    assert len(memory.recent) == voice.WINDOW
    assert len(voice.encode(memory)) < 850_000
    assert len(published.encode(params(memory))) < 90_000


def test_one_poisoned_text_changes_nothing_lasting() -> None:
    """The worst that one can send: the words of bad reviews under five stars, as many as are kept."""
    worst = Opinion(0, 1, "mallory", 1, 5, pack(grams("。".join(dict.fromkeys(REVIEWS[1])))))
    half = len(LOG) // 2
    clean, poisoned = learned(LOG[:half]), learned([*LOG[:half], worst])
    texts = [text for some in REVIEWS.values() for text in some]

    def apart() -> float:
        a, b = params(clean), params(poisoned)
        return max(abs(says(a, text) - says(b, text)) for text in texts)

    at_once = apart()
    assert at_once < 0.25
    for memory in (clean, poisoned):
        voice.update(memory, LOG[half:])
    assert apart() < 0.06 < at_once
    assert params(poisoned).ready


def test_a_text_without_stars_or_pieces_changes_nothing() -> None:
    memory = learned(LOG[:50])
    before = voice.encode(memory)
    voice.update(memory, [Opinion(0, 1, "u", 10**15, stars, pack((1, 2))) for stars in (0, -1, 6)])
    voice.update(memory, [Opinion(0, 1, "u", 10**15, 5, "")])
    assert voice.encode(memory) == before


# --- replay ------------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 400), max_size=4))
def test_the_same_texts_give_the_same_bits_however_they_are_cut_and_stored_between(cuts: list[int]) -> None:
    whole, parts, start = learned(LOG[:400]), voice.zero(), 0
    for end in [*sorted(cuts), 400]:
        voice.update(parts, LOG[start:end])
        parts, start = voice.decode(voice.encode(parts)), end
    assert voice.encode(parts) == voice.encode(whole)
    assert published.encode(params(parts)) == published.encode(params(whole))


def test_an_opinion_travels_as_it_is() -> None:
    assert [decode_lesson(encode_message(each)) for each in LOG[:100]] == LOG[:100]


def test_what_does_not_fit_this_code_is_refused() -> None:
    memory = learned(LOG[:300])
    for raw in (b"", b"\x80", msgspec.msgpack.encode({"grams_hash": "x"})):
        with pytest.raises(ModelMismatch):
            voice.decode(raw)
    good = params(memory)
    bad = {"grams_hash": "another", "weights": b"\x00", "intercept": 7e400, "base_rate": 1.5}
    for name, value in bad.items():
        with pytest.raises(ModelMismatch):
            published.decode(published.encode(msgspec.structs.replace(good, **{name: value})))
    nan = np.full(SIZE, np.nan, "<f2").tobytes()
    with pytest.raises(ModelMismatch, match="finite"):
        published.decode(published.encode(msgspec.structs.replace(good, weights=nan)))
