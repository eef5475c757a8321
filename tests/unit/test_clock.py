"""Civil time turns, wire time does not."""

import time

from sekisho.clock import REAL, Clock, ClockState


def test_civil_time_is_real_time_until_it_is_turned():
    clock = Clock()
    assert abs(clock.now() - time.time()) < 1
    assert ClockState.of_document(REAL.document()) == REAL


def test_advance_set_freeze_and_speed():
    state = REAL.turned(1000.0, advance=3600.0)
    assert state.at(1000.0) == 4600.0
    assert state.at(1010.0) == 4610.0
    frozen = state.turned(1010.0, rate=0.0)
    assert frozen.at(1010.0) == frozen.at(9999.0) == 4610.0
    fast = frozen.turned(2000.0, to=100.0, rate=60.0)
    assert fast.at(2001.0) == 160.0
    assert ClockState.of_document(fast.document()) == fast


def test_wire_time_and_real_time_ignore_the_civil_clock():
    clock = Clock()
    before = clock.tick()
    clock.state = REAL.turned(clock.real(), advance=1e9, rate=0.0)
    assert clock.now() > time.time() + 9e8
    assert clock.tick() - before < 60
    assert abs(clock.real() - time.time()) < 1
