"""How well the learner of voices tells good reviews from bad ones, on texts of your own.

    python -m bench.voice GOOD BAD [--share 0.85] [--most 8000]

Two files, one review a line.  They are mixed by a seed; with ``--share`` bad ones are left out until so many are good, as
in most shops.  Every text is forecast before it is learned, by the stream's own code.
Knows: files, the learner.  Must not know: Kafka, Redis.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from time import perf_counter
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table

from profiles.grams import grams, pack, unpack
from profiles.models import quality, voice
from profiles.models.voice_params import band, probability
from profiles.wire import Opinion

SEED: Final = 7
STEP: Final = 20  #: texts between two looks at whether the model may speak
KNOWN: Final = 0.75  #: of the texts are learned before the rest is put into bands


def opinions(good: Path, bad: Path, share: float | None, most: int) -> list[Opinion]:
    """Lines of two files as reviews of five stars and of one."""
    dice = random.Random(SEED)
    texts = {
        stars: [line for line in file.read_text("utf-8").splitlines() if line.strip()]
        for stars, file in ((5, good), (1, bad))
    }
    for lines in texts.values():
        dice.shuffle(lines)
    if share is not None:
        del texts[1][round(len(texts[5]) * (1.0 - share) / share) :]
    mixed = [(stars, line) for stars, lines in texts.items() for line in lines]
    dice.shuffle(mixed)
    return [Opinion(0, i + 1, "bench", i, stars, pack(grams(line))) for i, (stars, line) in enumerate(mixed[:most])]


def ready_after(read: list[Opinion]) -> int | None:
    """How many texts it took until the model might speak."""
    memory = voice.zero()
    for start in range(0, len(read), STEP):
        voice.update(memory, read[start : start + STEP])
        now = voice.read(memory, 0)
        if now is not None and now.ready:
            return start + STEP
    return None


def told(read: list[Opinion]) -> dict[str, str]:
    """What is measured, by name."""
    memory, began = voice.zero(), perf_counter()
    voice.update(memory, read)
    pace = len(read) / (perf_counter() - began)
    found = voice.read(memory, 0)
    if found is None:
        return {"texts": "0"}
    share = found.metrics["base_rate"]
    bytes_ = [len(each.grams.encode()) for each in read]
    return {
        "texts": f"{len(read)}",
        "may speak after": f"{ready_after(read)}",
        **{name: f"{value:.3f}" for name, value in found.metrics["served"].items() if value is not None},
        "accuracy, log-loss of the base rate": f"{share['accuracy']:.3f}, {share['log_loss']:.3f}",
        "bytes a text, mean and most": f"{np.mean(bytes_):.0f}, {max(bytes_)}",
        "texts learned a second": f"{pace:,.0f}",
    } | bands(read)


def bands(read: list[Opinion]) -> dict[str, str]:
    """How many texts a model of the first ones puts into each band, and how many of those are good."""
    known = round(KNOWN * len(read))
    memory = voice.zero()
    voice.update(memory, read[:known])
    params = voice.read(memory, 0)
    if params is None or known == len(read):
        return {}
    p = np.array([probability(params, unpack(each.grams)) for each in read[known:]])
    good = np.array([each.stars == 5 for each in read[known:]])
    which = np.array([band(each, params.base_rate) for each in p.tolist()])
    out = {"AUC as published": f"{quality.auc(p, good) or 0:.3f}"}
    for name in ("positive", "neutral", "negative"):
        those = which == name
        out[f"{name}: share, good"] = f"{those.mean():.2f}, {good[those].mean():.2f}" if those.any() else "0"
    return out


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("good", type=Path)
    parser.add_argument("bad", type=Path)
    parser.add_argument("--share", type=float, help="of good reviews, instead of as many as there are")
    parser.add_argument("--most", type=int, default=8000, help="texts")
    given = parser.parse_args()
    table = Table("what", "measured")
    for name, value in told(opinions(given.good, given.bad, given.share, given.most)).items():
        table.add_row(name, value)
    Console().print(table)


if __name__ == "__main__":
    main()
