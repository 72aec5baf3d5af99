"""What runs beside each other: by threads, and by predicted peaks where memory is scarce."""

import pytest

from underhood.data.locations import cache_root
from underhood.errors import BadInput
from underhood.lab import footprint, slots
from underhood.lab.footprint import Predicted
from underhood.lab.slots import Slots
from underhood.lab.trial import TrialSpec
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings

GB = 10**9


def spec(seed=0, threads=1, **settings):
    small = {"data": {"name": "digits"}, "threads": threads, **settings}
    return TrialSpec.of(train, TrainingSettings.model_validate(small), seed)


def test_threads_share_the_cores():
    found = Slots(None)
    assert found.at_once([spec(seed) for seed in range(9)], cores=4) == 4
    assert found.at_once([spec(seed, threads=2) for seed in range(9)], cores=5) == 2
    assert found.at_once([spec(0, threads=3), spec(1), spec(2)], cores=4) == 2
    assert found.at_once([spec(0, threads=8), spec(1)], cores=4) == 1  # one runs whatever it takes
    assert found.at_once([], cores=4) == 1


def test_who_says_how_many_has_them():
    assert Slots(3).at_once([spec(seed, threads=8) for seed in range(9)], cores=1) == 3
    assert Slots(3, GB, {spec().id: 9 * GB}).at_once([spec(seed) for seed in range(9)], cores=1) == 3


def test_peaks_share_the_memory():
    specs = [spec(seed) for seed in range(4)]
    found = Slots(None, 5 * GB, {each.id: 2 * GB for each in specs})
    assert found.at_once(specs, cores=4) == 2
    assert found.admits(specs[3], [specs[0]], cores=4)
    assert not found.admits(specs[3], specs[:2], cores=4)
    assert found.admits(specs[3], [], cores=4)
    assert Slots(None, GB, {specs[0].id: 9 * GB}).admits(specs[0], [], cores=4)


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Predictions without a process: a gigabyte for each epoch of patience; whose were asked."""
    monkeypatch.setenv("UNDERHOOD_CACHE", str(tmp_path / "cache"))
    found = []

    def predicted(each, data):
        found.append(each.id)
        if each.settings.batch_size == 99:
            raise BadInput("nobody knows")
        return Predicted(each.settings.batch_size * GB // 8, each.settings.batch_size * GB // 4)

    monkeypatch.setattr(footprint, "predicted", predicted)
    return found


def of(specs, memory, parallel=None, known=None, cores=4):
    said = []
    return slots.slots(specs, parallel, cores, memory, known or {}, None, said.append), said


def test_where_there_is_room_nothing_is_predicted(asked):
    specs = [spec(seed) for seed in range(4)]
    for found, said in (of(specs, 18 * 2**30), of(specs, GB, parallel=4), of(specs, GB, cores=1), of(specs, None)):
        assert (found.peaks, said) == ({}, [])
    assert asked == []


def test_where_memory_is_scarce_one_of_each_setting_is_predicted_once_and_for_all(asked):
    specs = [spec(seed, batch_size=size, optimizer={"lr": lr}) for seed in (0, 1) for size in (4, 8) for lr in (0.1, 1)]
    found, said = of(specs, 4 * GB)
    assert {found.peaks[each.id] for each in specs if each.settings.batch_size == 8} == {2 * GB}
    assert len(asked) == 2
    assert found.at_once(specs, 4) == 2  # 1 + 1 GB of 3.6, then 2 GB are too many
    assert said == [
        "2 at once, not 4: a trial is predicted to take 2,000.0 MB of 3,600.0 MB (--parallel 4 runs them all the same)"
    ]
    again, _ = of(specs, 4 * GB)
    assert again == found
    assert len(asked) == 2
    (cache_root() / "peaks.json").write_bytes(b"{")
    assert of(specs, 4 * GB)[0] == found
    assert len(asked) == 4


def test_a_limit_is_known_and_what_can_not_be_predicted_is_said(asked):
    specs = [spec(0, batch_size=99), spec(1, batch_size=4)]
    found, said = of(specs, GB, known={specs[1].id: Predicted(GB // 4, GB // 2)})
    assert found.peaks == {specs[1].id: GB // 2}
    assert said == [
        f"the memory of trial {specs[0].id} can't be predicted: what runs beside it was reckoned without it"
    ]


def test_how_long_a_trial_trains_and_at_which_rate_does_not_change_its_peak(asked):
    specs = [spec(seed, epochs=epochs, log_every=every) for seed in (0, 1) for epochs in (1, 2) for every in (5, 7)]
    found, _ = of(specs, 4 * GB)
    assert set(found.peaks) == {each.id for each in specs}
    assert len(asked) == 1
    of([spec(0, epochs=3, optimizer={"lr": 0.5}), spec(1, epochs=3)], 4 * GB)
    assert len(asked) == 1
    of([spec(0, optimizer={"momentum": 0.5}), spec(1)], 4 * GB)
    assert len(asked) == 2


@pytest.mark.parametrize(("cores", "threads", "at_once"), [(4, 2, 2), (3, 2, 1), (6, 3, 2), (5, 3, 1)])
def test_cores_are_shared_up_to_the_last(cores, threads, at_once):
    assert Slots(None).at_once([spec(seed, threads=threads) for seed in range(4)], cores) == at_once


@pytest.mark.parametrize(("memory", "admitted"), [(4 * GB, True), (4 * GB - 1, False)])
def test_memory_is_shared_up_to_the_last_byte(memory, admitted):
    peaks = {spec(0).id: GB, spec(1).id: 3 * GB}
    assert Slots(None, memory, peaks).admits(spec(1), [spec(0)], cores=9) is admitted
    assert Slots(None, memory, peaks).admits(spec(2), [spec(1)], cores=9)  # its own peak is not known
    assert Slots(None, 0, {}).admits(spec(1), [spec(0)], cores=2)


@pytest.mark.parametrize(("count", "running", "admitted"), [(2, 1, True), (2, 2, False), (1, 1, False), (1, 0, True)])
def test_so_many_run_as_was_said(count, running, admitted):
    others = [spec(seed, threads=4) for seed in range(1, 1 + running)]
    assert Slots(count).admits(spec(0), others, cores=1) is admitted
