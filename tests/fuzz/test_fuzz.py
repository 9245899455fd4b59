"""The short form of ``make fuzz``: some thousands of the million, the same ones each time."""

from __future__ import annotations

from random import Random

import pytest

from profiles.errors import Rejected
from profiles.intake import Intake
from tests.fuzz.__main__ import fewest, main
from tests.fuzz.judges import REASONS, SHOPS, Judge, Poisoned, damaged_profiles, damaged_record, sealed
from tests.fuzz.makers import MAKERS, block, damaged

SEED = 20_260_131


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge()


@pytest.mark.parametrize("number", range(5))
def test_no_record_does_harm(judge: Judge, number: int) -> None:
    """Each is an event or refused with a known reason; and events change profiles that can be stored and read."""
    judge.block(block(SEED, number), number)


def test_the_records_reach_every_corner(judge: Judge) -> None:
    """A fuzz that is refused at the door proves nothing: much is accepted, and every reason occurs."""
    for number in range(5, 8):
        judge.block(block(SEED, number), number)
    found = judge.tally
    assert found.accepted > found.judged / 4
    assert found.transitions > 1000
    rare = {"amount_too_large", "negative_amount", "bad_id"}
    assert REASONS - rare <= found.refused.keys() <= REASONS


def test_a_block_is_the_same_whenever_it_is_made() -> None:
    assert list(block(1, 2, 300)) == list(block(1, 2, 300))
    assert list(block(1, 2, 300)) != list(block(1, 3, 300))
    assert list(block(1, 2, 300)) != list(block(2, 2, 300))


@pytest.mark.parametrize("maker", dict.fromkeys(MAKERS), ids=lambda maker: maker.__name__)
def test_every_kind_of_record_is_judged(judge: Judge, maker: object) -> None:
    assert callable(maker)
    rng = Random(SEED)
    judge.block(maker(rng) for _ in range(300))


def test_damaged_records_between_the_hops_are_told_from_ours(judge: Judge) -> None:
    """profile-inputs is ours alone; bytes that are not of our making are a ``LayoutError``, nothing else."""
    rng = Random(SEED)
    raw, blobs = sealed([event for each in block(SEED, 1, 400) if (event := judge.decoded(each, SHOPS[0]))][:60])
    damaged_record(raw)
    for _ in range(4000):
        damaged_record(damaged(raw[: rng.choice((len(raw), 300))], rng))
        one = rng.choice(blobs)
        kept = rng.choice((0, 4))  # with or without its layout's mark, which says whether the rest is looked at
        damaged_profiles([one[:kept] + damaged(one[kept:], rng), rng.choice(blobs)])


def test_what_breaks_is_found_and_made_small(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """A decoder with a hole: the run says so, fails, names seed and block, and keeps the record."""
    monkeypatch.chdir(str(tmp_path))
    read = Intake.read

    def leaky(self: Intake, raw: bytes, received: int) -> object:
        if b"order refunded" in raw:
            raise KeyError("a hole")
        return read(self, raw, received)

    records = list(block(SEED, 0, 300))
    monkeypatch.setattr(Intake, "read", leaky)
    with pytest.raises(Poisoned) as told:
        Judge().block(records)
    assert told.value.raw is not None
    assert b"order refunded" in told.value.raw
    assert [b"order refunded" in raw for raw in fewest(records, 0)] == [True]
    assert main(["--count", "300", "--seed", str(SEED), "--jobs", "1"]) == 1
    said = capsys.readouterr().out
    assert f"BROKEN in block 0 of seed {SEED}: the decoder raised KeyError('a hole')" in said
    assert f"--seed {SEED} --from 0" in said


def test_a_run_that_finds_nothing_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--count", "1500", "--seed", "3", "--from", "4", "--jobs", "1"]) == 0
    said = capsys.readouterr().out
    assert "1500 records, seed 3, blocks 4 to 5" in said
    assert "broken blocks: 0" in said


def test_a_refusal_is_refused_again() -> None:
    """The same bytes are always judged alike: a dead letter that is sent again becomes a dead letter again."""
    shop, again = SHOPS[0], Intake("CNY", "Asia/Shanghai", {"USD": 7.1})
    for raw in block(SEED, 9, 500):
        ends = []
        for intake in (shop, again):
            try:
                ends.append(repr(intake.read(raw, 1_790_000_000_000)))
            except Rejected as refused:
                ends.append(str(refused))
        assert ends[0] == ends[1]
