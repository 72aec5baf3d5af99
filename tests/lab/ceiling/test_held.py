"""What holds a trial to its limit, taken and given back in order: the parts stand in for the kernel's."""

import signal
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from underhood.lab.ceiling import ceiling as page
from underhood.lab.ceiling.ceiling import Ceiling, MemoryLimitReached, held, killed_for_memory
from underhood.lab.ceiling.watchdog import EXIT_CODE


@pytest.fixture
def kernel(monkeypatch):
    """A kernel of this test's own: `did` is what was asked of it, the rest what it can."""
    found = SimpleNamespace(did=[], group=None, refuses=True, mapped=True, peak=70, swapped=[5, 3])

    class Watchdog:
        def __init__(self, limit, error):
            self.name = f"watchdog {limit} {error.__name__}"

        def start(self):
            found.did.append(f"start {self.name}")

        def stop(self):
            found.did.append(f"stop {self.name}")

    @contextmanager
    def limited(limit):
        found.did.append(f"refuse {limit}")
        try:
            yield found.refuses
        finally:
            found.did.append("refuse no more")

    def enter(limit):
        found.did.append(f"group {limit}")
        return found.group

    def map_apart(on=True):
        found.did.append(f"apart {on}")
        return found.mapped

    monkeypatch.setattr(page, "Watchdog", Watchdog)
    monkeypatch.setattr(page, "limited", limited)
    monkeypatch.setattr(page, "map_apart", map_apart)
    monkeypatch.setattr(page.cgroups, "enter", enter)
    monkeypatch.setattr(page, "forget_peak", lambda: found.did.append("forget"))
    monkeypatch.setattr(page, "peak", lambda: found.did.append("measure") or found.peak)
    monkeypatch.setattr(page, "swapped", lambda: found.swapped.pop(0) if found.swapped else 0)
    return found


WATCHED = "watchdog 100 MemoryLimitReached"


@pytest.mark.parametrize("breaks", [False, True])
def test_all_that_holds_is_taken_and_given_back_also_when_the_trial_breaks(kernel, breaks):
    kernel.group = SimpleNamespace(leave=lambda: kernel.did.append("leave"), path=Path("/some/group"), said="a group")
    ceiling = Ceiling(100, 60, mapped=True)
    try:
        with held(ceiling):
            kernel.did.append("trial")
            if breaks:
                raise KeyError
    except KeyError:
        assert breaks
    assert kernel.did[:6] == ["forget", "apart True", "group 100", f"start {WATCHED}", "refuse 100", "trial"]
    assert kernel.did[6:] == ["measure", "refuse no more", f"stop {WATCHED}", "leave", "apart False"]
    assert ceiling.by == (
        "a group; a data-segment limit; a watchdog on resident memory; large blocks given back at once"
    )
    assert ceiling.group == str(Path("/some/group"))
    assert ceiling.facts == {
        "limit": 100, "predicted": 60, "mapped": True, "by": ceiling.by, "group": ceiling.group, "peak": 70,
        "swapped": 5,
    }  # fmt: skip
    assert ceiling.values == {"peak_memory": 70, "predicted_peak": 60}
    assert ceiling.swapped == 5  # the most that was seen


@pytest.mark.parametrize(
    ("refuses", "asked", "mapped", "by"),
    [
        (False, False, True, "a watchdog on resident memory, swap counted in it"),
        (True, False, True, "a data-segment limit; a watchdog on resident memory, swap counted in it"),
        (False, True, False, "a watchdog on resident memory, swap counted in it"),
        (False, True, True, "a watchdog on resident memory, swap counted in it; large blocks given back at once"),
    ],
)
def test_what_holds_is_said_as_it_is(kernel, refuses, asked, mapped, by):
    kernel.refuses, kernel.mapped = refuses, mapped
    ceiling = Ceiling(100, mapped=asked)
    with held(ceiling):
        pass
    assert (ceiling.by, ceiling.group, ceiling.mapped) == (by, "", asked and mapped)
    assert kernel.did.count("apart True") == asked
    assert kernel.did.count("apart False") == (asked and mapped)
    assert ceiling.values == {"peak_memory": 70}


def test_what_is_predicted_is_measured_and_not_held(kernel):
    ceiling = Ceiling(None, 60)
    with held(ceiling):
        kernel.did.append("trial")
    assert kernel.did == ["forget", "trial", "measure"]
    assert (ceiling.facts, ceiling.values) == ({}, {"peak_memory": 70, "predicted_peak": 60})


def test_without_either_nothing_is_asked_of_the_kernel(kernel):
    with held(Ceiling(None)) as given:
        assert given is None
    assert Ceiling(None).values == {}
    assert kernel.did == []


@pytest.mark.parametrize(
    ("error", "predicted", "said"),
    [
        (MemoryError(), None, "the watchdog saw more resident memory than that); the peak was 3.0 MB"),
        (MemoryLimitReached("held\nmore"), 10**6, "held); the peak was 3.0 MB, 1.0 MB were predicted"),
        (OSError(12, "Cannot allocate memory"), None, "[Errno 12] Cannot allocate memory); the peak was 3.0 MB"),
        (RuntimeError("  std::bad_alloc  "), None, "std::bad_alloc); the peak was 3.0 MB"),
    ],
)
def test_the_reason_has_limit_words_peak_and_prediction(error, predicted, said):
    ceiling = Ceiling(2 * 10**6, predicted, by="all of it", peak=3 * 10**6)
    assert ceiling.reason(error) == f"its memory limit of 2.0 MB was reached ({said}. Held by all of it"
    assert Ceiling(None, predicted).reason(error) is None


@pytest.mark.parametrize(
    ("exit_code", "has_group", "by_kernel", "who"),
    [
        (EXIT_CODE, False, False, "the watchdog"),
        (EXIT_CODE, True, True, "the watchdog"),
        (-signal.SIGKILL, True, True, "the kernel"),
        (-signal.SIGKILL, True, False, None),
        (-signal.SIGKILL, False, True, None),
        (-signal.SIGTERM, True, True, None),
        (0, False, False, None),
        (1, True, True, None),
    ],
)
def test_a_dead_process_was_ended_by_the_watchdog_or_the_kernel(
    monkeypatch, tmp_path, exit_code, has_group, by_kernel, who
):
    removed = []
    monkeypatch.setattr(page.cgroups, "killed", lambda group: by_kernel)
    monkeypatch.setattr(page.cgroups, "remove", removed.append)
    facts = {"limit": 2 * 10**6, "group": str(tmp_path) if has_group else "", "by": "a part"}
    said = f"its memory limit of 2.0 MB was reached, and {who} ended its process. Held by a part"
    assert killed_for_memory(facts, exit_code) == (said if who else None)
    assert removed == [tmp_path] * has_group
    gone = facts | {"group": str(tmp_path / "gone") if has_group else ""}
    assert killed_for_memory(gone, exit_code) == (said if who else None)
    assert len(removed) == has_group
    assert killed_for_memory({}, exit_code) is None
