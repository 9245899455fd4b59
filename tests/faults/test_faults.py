"""Whatever dies, no event is lost, none is counted twice, and every alert leaves once.

SEED chooses the moments, FAULTS_ROUNDS how often everything happens, in another order each time (`make faults`).
Without it only the quickest faults happen, once: that is their part of `make test`.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.stacks import Stack
from tests.faults.faults import FAULTS, QUICK, Fault, Scene, poison, store_dies_and_all_is_quiet
from tests.faults.judge import Judge
from tests.faults.load import Load
from tests.hook_receiver import Receiver

SEED: Final = int(os.environ.get("SEED", "1"))
ROUNDS: Final = int(os.environ.get("FAULTS_ROUNDS", "0"))


def rounds() -> list[tuple[str, Fault]]:
    """Every fault once a round; the rounds after the first are shuffled."""
    found = [] if ROUNDS else [(f"quick-{fault.name}", fault) for fault in QUICK]
    for number in range(ROUNDS):
        order = list(FAULTS)
        if number:
            random.Random(f"{SEED} {number}").shuffle(order)
        found += [(f"{number}-{fault.name}", fault) for fault in order]
    return found


@pytest.mark.parametrize(("name", "fault"), rounds(), ids=[name for name, _ in rounds()])
def test_everything_is_exact_after(
    name: str, fault: Fault, shop: Stack, load: Load, hook: Receiver, tmp_path: Path
) -> None:
    """The fault happens under load; then everything is compared with what was sent since the start."""
    print(f"SEED={SEED}")
    scene = Scene(shop, load, hook, random.Random(f"{SEED} {name}"), tmp_path)
    if why := fault.why_not(scene):
        pytest.skip(why)
    scene.until_calm()
    fault.inject(scene)
    with load.paused():
        Judge(shop, hook, load.books).rule()


def test_in_the_end_every_alert_has_left_once(shop: Stack, load: Load, hook: Receiver) -> None:
    """The receiver knows of every alert, under one id each, and which are over."""
    print(f"SEED={SEED}")
    with load.paused():
        judge = Judge(shop, hook, load.books)
        judge.rule()
        judge.heard()


def test_in_the_end_mien_verify_finds_no_difference(shop: Stack, load: Load, hook: Receiver) -> None:
    """The command that operators have comes to the same verdict, about every profile, tag, due time and alert."""
    print(f"SEED={SEED}")
    with load.paused():
        judge = Judge(shop, hook, load.books)
        judge.rule()
        judge.verified()


def test_poison_in_the_log_costs_nobody_else_anything(shop: Stack, load: Load, hook: Receiver, tmp_path: Path) -> None:
    """Records that only a bug of ours could have written become dead letters; everybody around them is exact."""
    print(f"SEED={SEED}")
    poison(Scene(shop, load, hook, random.Random(f"{SEED} poison"), tmp_path))
    with load.paused():
        Judge(shop, hook, load.books).rule()


def test_a_store_that_lost_a_second_is_repaired_also_if_nobody_sends_anything_more(
    shop: Stack, load: Load, hook: Receiver, tmp_path: Path
) -> None:
    """Workers notice by themselves that the store is an older one."""
    print(f"SEED={SEED}")
    scene = Scene(shop, load, hook, random.Random(f"{SEED} quiet"), tmp_path)
    scene.until_calm()
    store_dies_and_all_is_quiet(scene)
    with load.paused():
        Judge(shop, hook, load.books).rule()
