"""How much a key may send: the rate holds, and no batch is too large for ever."""

from __future__ import annotations

from api.limits import Limits


class Hand:
    """A clock that is moved by hand, in seconds."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_batch_larger_than_the_allowance_gets_through_and_the_next_one_waits_for_it() -> None:
    clock = Hand()
    limits = Limits(10, clock)
    assert limits.wait("a") == 0
    limits.spend("a", 45)
    assert limits.wait("a") == 4  # 35 too many
    clock.now += 3.4
    assert limits.wait("a") == 1
    clock.now += 0.2
    assert limits.wait("a") == 0


def test_the_rate_holds_over_a_minute_however_it_is_sent() -> None:
    clock = Hand()
    limits, sent = Limits(10, clock), 0
    for turn in range(600):
        clock.now = 100 + turn / 10
        if not limits.wait("a"):
            sent += 7
            limits.spend("a", 7)
    assert 590 <= sent <= 620


def test_keys_do_not_pay_for_each_other_and_silence_is_not_saved_up() -> None:
    clock = Hand()
    limits = Limits(10, clock)
    limits.spend("a", 100)
    assert limits.wait("b") == 0
    clock.now += 3600
    limits.spend("a", 20)
    assert limits.wait("a") == 1


def test_without_a_rate_anything_goes() -> None:
    limits = Limits(0, Hand())
    limits.spend("a", 10**9)
    assert limits.wait("a") == 0
