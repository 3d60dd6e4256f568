"""Timers that are not needed any more are not held until their time, which clients choose."""

from __future__ import annotations

from tiffin.calls import Timer, Timers


def test_cancelled_timers_are_few_however_far_away_their_times_are():
    """Ten thousand calls that were given an hour, and were answered at once, leave nothing that grows with them."""
    timers = Timers()
    kept = Timer(7200.0, lambda: None)
    timers.add(kept)
    most = 0
    for number in range(10_000):
        timer = Timer(3600.0 + number, lambda: None)
        timers.add(timer)
        timer.cancel()
        most = max(most, len(timers))
    assert most < 200
    while (timer := timers.take()) is not kept:
        assert timer.callback is None


def test_timers_come_in_the_order_of_their_times():
    """Those of one time in the order in which they came."""
    timers = Timers()
    given = [Timer(when, lambda: None) for when in (5.0, 1.0, 3.0, 1.0)]
    for timer in given:
        timers.add(timer)
    assert timers.next == 1.0
    assert [timers.take() for _ in given] == [given[1], given[3], given[2], given[0]]
    assert timers.next is None
