"""Signals are counted while somebody counts, and mean what they meant before and after."""

import signal
import threading

import pytest

from underhood.lab.signals import Stop, stop_signals


@pytest.fixture(autouse=True)
def no_nohup():
    """A hang-up means what it means without `nohup`, however the tests were started."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_are_counted(number, code):
    before = signal.getsignal(number)
    with stop_signals() as stop:
        assert (stop.times, stop.exit_code) == (0, 0)
        signal.raise_signal(number)
        signal.raise_signal(number)
    assert (stop.times, stop.exit_code) == (2, code)
    assert signal.getsignal(number) is before


def test_the_old_meaning_comes_back_after_an_error():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyError), stop_signals():
        raise KeyError
    assert signal.getsignal(signal.SIGINT) is before


def test_off_the_main_thread_none_are_heard():
    before, found = signal.getsignal(signal.SIGINT), []

    def count():
        with stop_signals() as stop:
            found.extend([stop, signal.getsignal(signal.SIGINT)])

    thread = threading.Thread(target=count)
    thread.start()
    thread.join()
    assert found == [Stop(), before]


def test_a_hang_up_that_nohup_has_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_signals() as stop:
            signal.raise_signal(signal.SIGHUP)
        assert stop.times == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_wish_that_came_true_is_no_signal():
    assert Stop(times=1, wish="validation_error 0.05").exit_code == 0
