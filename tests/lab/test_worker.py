"""One trial in its folder: what is written when, and what becomes of a trial that misbehaves."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from underhood.lab import worker
from underhood.lab.checkpoints import checkpoint_files
from underhood.lab.run_events import TrialEnded, TrialNote, TrialStarted, TrialStep
from underhood.lab.store import TrialFolder
from underhood.lab.trial import TrialSpec, load_file
from underhood.lab.worker import Task, pin_threads, run_trial

HEAD = """
from underhood.trials import Artefact, Checkpoint, Metric, Note, Result
from underhood.settings import Settings
import numpy as np

def trial(settings, seed, context):
"""


@pytest.fixture
def task(tiny, tmp_path):
    """A task of the tiny study, or of a trial whose body is given."""

    def make(body=None, steps=6, **options):
        if body is None:
            spec = TrialSpec.of(tiny.walk, tiny.TinySettings(steps=steps), 0)
        else:
            file = tmp_path / f"body_{len(list(tmp_path.iterdir()))}.py"
            file.write_text(HEAD + "".join(f"    {line}\n" for line in body.splitlines()))
            module = load_file(file)
            spec = TrialSpec.of(module.trial, module.Settings(), 0)
        return Task(spec=spec.to_json(), folder=tmp_path / "trials" / spec.id, code="c0de", **options)

    return make


def run(task, stop_after=None):
    """Run a task in this process; `stop_after` counts the times the trial asks whether to stop."""
    heard, asked = [], []

    def stopping():
        asked.append(1)
        return stop_after is not None and len(asked) > stop_after

    run_trial(task, heard.append, stopping)
    return heard, TrialFolder(task.folder)


def test_a_task_survives_the_way_to_json_and_back(task, tmp_path):
    for made in (task(data=tmp_path), task(fresh=True, threads=3), task(hosts=("here", "there"), via="on {host}")):
        assert Task.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_what_a_finished_trial_leaves(task):
    heard, folder = run(task())
    assert isinstance(heard[0], TrialStarted)
    assert isinstance(heard[1], TrialNote)
    assert isinstance(heard[2], TrialStep)
    assert isinstance(heard[-1], TrialEnded)
    assert (heard[-1].state, heard[-1].reason) == ("finished", "")
    assert heard[-1].values["threads"] == 1

    lines = list(folder.metrics())
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert set(lines[0]) == {"step", "train_loss", "mean"}
    result = folder.result()
    assert result["values"] == heard[-1].values
    assert result["codes"] == ["c0de"]
    assert result["versions"]["numpy"] == np.__version__
    assert result["machine"]["cores"] >= 1
    assert folder.status()["state"] == "finished"
    assert "begins at step 0" in folder.log_file.read_text()
    assert (folder.artefacts / "at.txt").read_text() == repr(result["values"]["at"])
    assert [path.name for path in folder.artefacts.iterdir()] == ["at.txt"]
    assert not folder.is_locked()


def test_what_a_trial_prints_goes_to_its_log(task):
    body = "import os\nprint('by python')\nos.system('echo by the system')\nyield Result({})"
    code = """
import json, sys
from underhood.lab.worker import Task, run_trial
run_trial(Task.from_json(json.loads(sys.argv[1])), lambda event: None, lambda: False)
print("after")
"""
    made = task(body)
    said = subprocess.run(
        [sys.executable, "-c", code, json.dumps(made.to_json())], capture_output=True, text=True, check=True
    )
    assert said.stdout == "after\n"
    assert sorted(TrialFolder(made.folder).log_file.read_text().splitlines()) == ["by python", "by the system"]


@pytest.mark.parametrize("stop_after", [0, 1, 3, 5])
@pytest.mark.parametrize("every", [0.0, 1000.0])
def test_interrupted_and_resumed_equals_uninterrupted(task, tmp_path, stop_after, every):
    _, whole = run(task())
    expected = whole.metrics_file.read_bytes(), whole.result()["values"]
    whole.clear()
    heard, folder = run(task(checkpoint_every=every), stop_after)
    assert heard[-1].state == "interrupted"
    assert folder.status()["state"] == "interrupted"
    assert folder.result() is None
    assert len(checkpoint_files(folder.path)) in (1, 2)
    heard, folder = run(task(checkpoint_every=every))
    assert heard[0].step == (stop_after if every else stop_after // 2)  # with checkpoints it asks twice a step
    assert (folder.metrics_file.read_bytes(), folder.result()["values"]) == expected
    assert checkpoint_files(folder.path) == []


def test_lines_after_the_checkpoint_are_cut_and_measured_again(task):
    _, whole = run(task())
    expected = whole.metrics_file.read_bytes()
    whole.clear()
    _, folder = run(task(checkpoint_every=1000.0), 3)
    with folder.metrics_file.open("ab") as file:
        file.write(b'{"step": 4, "train_loss": 9.0}\n{"step": 5, "tr')
    _, folder = run(task())
    assert folder.metrics_file.read_bytes() == expected


def test_a_damaged_last_checkpoint_falls_back_and_says_so(task):
    _, whole = run(task())
    expected = whole.metrics_file.read_bytes()
    whole.clear()
    _, folder = run(task(checkpoint_every=0.0), 6)
    first, last = checkpoint_files(folder.path)
    last.write_bytes(last.read_bytes()[:-1])
    heard, folder = run(task())
    assert first.name == "checkpoint-00000003.safetensors"
    assert any(isinstance(event, TrialNote) and f"{last.name} is damaged" in event.text for event in heard)
    assert f"{last.name} is damaged" in folder.log_file.read_text()
    assert folder.metrics_file.read_bytes() == expected


def test_without_a_checkpoint_it_begins_anew(task):
    _, folder = run(task("yield Metric(1, {'a': 1})\nif context.stopping(): return\nyield Result({})"), 0)
    assert folder.status()["state"] == "interrupted"
    _, folder = run(task("yield Metric(1, {'a': 1})\nif context.stopping(): return\nyield Result({})"))
    assert [line["step"] for line in folder.metrics()] == [1]


def test_a_fresh_start_forgets_what_was(task):
    _, folder = run(task(), 3)
    heard, folder = run(task(fresh=True))
    assert heard[0].step == 0
    assert folder.log_file.read_text().count("begins at step 0") == 1


def test_a_trial_gone_on_with_by_other_code_says_so(task):
    run(task(checkpoint_every=0.0), 3)
    made = task()
    _, folder = run(Task(**vars(made) | {"code": "0ther"}))
    assert folder.result()["codes"] == ["c0de", "0ther"]


def test_a_trial_begun_anew_has_nothing_of_other_code(task):
    made = task("yield Metric(1, {'a': 1})\nif context.stopping(): return\nyield Result({})")
    run(made, 0)
    _, folder = run(Task(**vars(made) | {"code": "0ther"}))
    assert folder.result()["codes"] == ["0ther"]


def test_a_trial_gone_on_with_keeps_the_time_when_it_was_begun(task, monkeypatch):
    monkeypatch.setattr("underhood.lab.worker.now", lambda: "2026-01-02T03:04:05+00:00")
    run(task(checkpoint_every=0.0), 3)
    monkeypatch.setattr("underhood.lab.worker.now", lambda: "2026-01-03T03:04:05+00:00")
    _, folder = run(task())
    assert folder.identity()["begun"] == "2026-01-02T03:04:05+00:00"
    _, folder = run(task(fresh=True))
    assert folder.identity()["begun"] == "2026-01-03T03:04:05+00:00"


def test_other_versions_are_noted_when_going_on(task, monkeypatch):
    run(task(), 3)
    monkeypatch.setattr(worker, "versions", lambda: {"numpy": "9.9", "python": "3.99"})
    heard, _ = run(task())
    notes = [event.text for event in heard if isinstance(event, TrialNote)]
    assert f"numpy {np.__version__} → 9.9" in notes[0]


def test_seconds_add_up_over_attempts(task):
    run(task(), 3)
    folder = TrialFolder(task().folder)
    folder.write_state("interrupted", seconds=100.0)
    run(task())
    assert 100 < folder.status()["seconds"] < 160
    assert 100 < folder.result()["seconds"] < 160


@pytest.mark.parametrize(
    ("body", "reason", "code"),
    [
        ("raise ArithmeticError('no')\nyield", "ArithmeticError: no", 1),
        ("from underhood.errors import MissingPiece\nraise MissingPiece('no torch')\nyield", "no torch", 3),
        ("yield Note('all I say')", "the trial ended without a Result", 1),
        ("yield 3", "TypeError: a trial yields events, not int", 1),
        ("yield Metric(1, {'step': 2})", 'a metric can\'t be called "step": ', 2),
        ("yield Metric(1, {'a': None})", "TypeError: float() argument", 1),
        ("yield Artefact('../../x', lambda path: path.touch())", "artefact ../../x: lies outside", 2),
        ("yield Result({'a': object()})", "TypeError: Object of type object is not JSON", 1),
        ("yield Checkpoint({'a': np.array(['text'])}, {})", "", 1),
    ],
)
def test_a_trial_that_misbehaves_has_failed_with_a_reason(task, body, reason, code):
    heard, folder = run(task(body))
    assert isinstance(heard[-1], TrialEnded)
    assert heard[-1].state == "failed"
    assert heard[-1].reason.startswith(reason)
    status = folder.status()
    assert (status["state"], status["exit_code"]) == ("failed", code)
    assert status["reason"] == heard[-1].reason
    assert folder.result() is None
    assert heard[-1].log_tail == folder.log_tail()
    if "without a Result" not in reason:
        assert heard[-1].log_tail.splitlines()[-1].endswith(status["reason"])


def test_a_failing_artefact_leaves_no_half_file(task):
    _, folder = run(
        task("def write(path):\n    path.write_text('half')\n    raise OSError('full')\nyield Artefact('a.txt', write)")
    )
    assert folder.status()["reason"] == "OSError: full"
    assert not (folder.artefacts / "a.txt").exists()


def test_half_written_files_of_an_earlier_worker_are_swept(task):
    made = task()
    made.folder.mkdir(parents=True)
    (made.folder / ".checkpoint-00000001.safetensors.99.tmp").write_bytes(b"half")
    _, folder = run(made)
    assert not list(folder.path.glob(".*"))


def test_numbers_that_are_not_finite_come_back(task):
    _, folder = run(task("yield Metric(1, {'a': float('nan')})\nyield Result({'b': float('inf'), 'diverged': True})"))
    assert '"a": "NaN"' in folder.metrics_file.read_text()
    (line,) = folder.metrics()
    assert np.isnan(line["a"])
    assert folder.result()["values"]["b"] == float("inf")


def test_a_trial_is_closed_after_its_result(task):
    body = "try:\n    yield Result({'a': 1})\n    yield Metric(1, {'late': 1})\nfinally:\n    print('closed')"
    _, folder = run(task(body))
    assert list(folder.metrics()) == []
    assert folder.status()["state"] == "finished"


def test_a_folder_in_use_is_waited_for_but_not_for_ever(task, monkeypatch):
    monkeypatch.setattr(worker, "PATIENCE", 0.2)
    made = task()
    with TrialFolder(made.folder).lock(), pytest.raises(BlockingIOError):
        run(made)


def test_threads_are_pinned_in_what_is_loaded():
    """In a process of its own: numba's and torch's counts are the process's."""
    code = """
import numpy, numba, threadpoolctl
from underhood.lab.worker import pin_threads
pin_threads(1)
assert numba.get_num_threads() == 1
assert {pool["num_threads"] for pool in threadpoolctl.threadpool_info()} == {1}
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"NUMBA_NUM_THREADS": "2"})


def test_pinning_loads_nothing():
    loaded = {name for name in ("torch", "numba") if name in sys.modules}
    pin_threads(1)
    assert {name for name in ("torch", "numba") if name in sys.modules} == loaded


# ---- no room for a checkpoint


@pytest.fixture
def full(monkeypatch):
    """The disk is full for checkpoints from the third on."""
    saved, save = [], worker.checkpoints.save

    def refuse(*arguments):
        if len(saved) == 2:
            raise worker.checkpoints.NoRoomError("/there: 3 MB free; a checkpoint takes 8.0 MB")
        saved.append(1)
        return save(*arguments)

    monkeypatch.setattr(worker.checkpoints, "save", refuse)


@pytest.mark.usefixtures("full")
def test_without_room_a_trial_goes_on_and_says_so_once(task):
    heard, _ = run(task(checkpoint_every=0.0))
    notes = [event.text for event in heard if isinstance(event, TrialNote) and "no room" in event.text]
    assert notes == [
        "no room for a checkpoint: /there: 3 MB free; a checkpoint takes 8.0 MB; "
        "interrupted now, it would go on from its last checkpoint"
    ]
    assert heard[-1].state == "finished"


@pytest.mark.usefixtures("full")
def test_without_room_a_trial_can_stop_and_goes_on_later(task, monkeypatch):
    heard, folder = run(task(checkpoint_every=0.0, when_full="stop"))
    assert heard[-1].state == "failed"
    assert "Make room; the same command goes on from its last checkpoint" in heard[-1].reason
    assert folder.status()["exit_code"] == 3
    monkeypatch.undo()
    heard, folder = run(task(when_full="stop"))
    assert heard[0].step == 1
    assert heard[-1].state == "finished"


LATE = """
import sys
from underhood.lab.trial import TrialSpec
from underhood.lab.worker import _load_backend
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings
from underhood.trials import Context
data = {"name": "digits", "train": 64, "test": 32}
settings = TrainingSettings.model_validate({"backend": "torch", "data": data, "network": "mlp", "epochs": 1})
_load_backend(TrialSpec.of(train, settings, 0))
loaded = set(sys.modules)
list(train(settings, 0, Context()))
print(sum(name.startswith(("torch.", "sympy.", "mpmath.")) for name in set(sys.modules) - loaded))
"""


@pytest.mark.slow
def test_a_trial_s_seconds_are_not_those_of_importing_pytorch():
    said = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, check=True)
    assert int(said.stdout) < 20  # an optimiser, the first, brings 800
