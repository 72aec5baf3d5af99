"""Three files or none, and none over somebody else's."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

import underhood
from tests.in_process import trials_in_process
from underhood.cli import main
from underhood.errors import BadInput, MissingPiece
from underhood.handin import hand_in
from underhood.handin.files import _first
from underhood.lab.store import RunFolder


@pytest.fixture
def copy(run, tmp_path):
    """A copy of the run, to be damaged."""
    shutil.copytree(run.path, tmp_path / "runs" / run.name)
    return tmp_path / "runs" / run.name


def changed(run_folder, change):
    """The run with another result.json of its first trial."""
    trial = underhood.open_run(run_folder).trials[0].folder.path
    result = json.loads((trial / "result.json").read_text())
    change(result)
    (trial / "result.json").write_text(json.dumps(result))
    return underhood.open_run(run_folder)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_export_replaces_its_own_files_and_no_others(run, tmp_path):
    folder = tmp_path / "p1"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    hand_in(run, folder)
    hand_in(run, folder)
    before = contents(folder)
    assert set(before) == {"notes.txt", "p1.py", "p1_model.npz", "p1_report.pdf"}
    for name in ("p1.py", "p1_model.npz", "p1_report.pdf"):
        with (folder / name).open("ab") as file:
            file.write(b"\n# mine\n")
        now = contents(folder)
        with pytest.raises(BadInput, match=rf"holds {name} already, and not as an export wrote it; move it,"):
            hand_in(run, folder)
        assert contents(folder) == now
        (folder / name).write_bytes(before[name])
    hand_in(run, folder)
    (folder / "p1.py").unlink()
    with pytest.raises(BadInput, match=r"holds p1_model\.npz, p1_report\.pdf already, and not as an export wrote them"):
        hand_in(run, folder)


def test_a_script_changed_within_is_the_user_s(run, tmp_path):
    hand_in(run, tmp_path / "p1")
    script = tmp_path / "p1" / "p1.py"
    script.write_text(script.read_text().replace("EPOCHS = 4", "EPOCHS = 5"))
    with pytest.raises(BadInput, match=r"p1\.py"):
        hand_in(run, tmp_path / "p1")
    assert "EPOCHS = 5" in script.read_text()


def test_a_diverged_network_is_not_handed_in(copy, tmp_path):
    diverged = changed(copy, lambda result: result["values"].update(diverged=True))
    with pytest.raises(BadInput, match=r"^--export: seed 0 of mnist-mlp-smoke diverged, so there is no network"):
        hand_in(diverged, tmp_path / "p1")
    assert not (tmp_path / "p1").exists()


def test_another_seed_may_have_diverged(run, tmp_path):
    """It is the first one's network that is handed in."""
    other = SimpleNamespace(state="finished", diverged=True)
    assert _first(SimpleNamespace(trials=[run.trials[0], other])) is run.trials[0]


def test_an_unfinished_run_is_not_handed_in(copy, tmp_path):
    for name in ("result.json", "state.json"):
        (underhood.open_run(copy).trials[1].folder.path / name).unlink()
    with pytest.raises(BadInput, match=r"isn't finished: 1 of 2 trials are\. To go on:\n  underhood run mnist-mlp "):
        hand_in(underhood.open_run(copy), tmp_path / "p1")
    assert not (tmp_path / "p1").exists()


def test_a_folder_that_cannot_be_written_to(run, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "p1"):
        with pytest.raises(BadInput, match=r"file is a file, not a folder$"):
            hand_in(run, folder)
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(BadInput, match=rf"{tmp_path} may not be written to$"):
        hand_in(run, tmp_path / "p1")
    assert not (tmp_path / "p1").exists()


def test_a_disk_that_refuses_leaves_nothing_half_written(run, tmp_path, monkeypatch):
    copied = []

    def refuse(source, target):
        if copied:
            raise PermissionError(13, "Permission denied", str(target))
        copied.append(Path(target))
        copied[0].write_bytes(Path(source).read_bytes())

    monkeypatch.setattr("shutil.copyfile", refuse)
    with pytest.raises(BadInput, match=r"--export \S+p1: Permission denied$"):
        hand_in(run, tmp_path / "p1")
    assert copied
    assert not list((tmp_path / "p1").iterdir())


def test_without_typst_it_says_so_before_anything_runs(run, tmp_path, monkeypatch):
    monkeypatch.setattr("underhood.handin.files.find_spec", lambda name: None)
    with pytest.raises(MissingPiece, match=r"pip install 'underhood\[pdf\]'"):
        hand_in(run, tmp_path / "p1")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mnist-mlp"], "network=template is exported, not mlp. Type\n"
                        "  underhood run mnist-mlp --scale smoke --set network=template --export "),
        (["mnist-mlp", "--set=network=simple-nn"], "network=template is exported, not simple-nn. Type\n"),
        (["mnist-mlp", "--set=network=template", "--set=data.name=digits"], "p1.py reads MNIST, not digits"),
        (["mnist-mlp", "--set=network=template", "--set=data.validation=0.1"],
         "p1.py has no data.validation, and it is 0.1 here"),
        (["mnist-mlp", "--set=network=template", "--set=data.augmentation=flip"], "p1.py has no data.augmentation"),
        (["mnist-mlp", "--set=network=template", "--grid=epochs=1,2"], "of one setting, and here are 2"),
        (["quickstart"], "quickstart is handed in nowhere; there is mnist-mlp (p1)"),
    ],
)  # fmt: skip
def test_what_cannot_be_exported_is_refused_before_it_runs(words, said, tmp_path, runs, capsys):
    assert main(["run", *words, "--scale=smoke", f"--export={tmp_path / 'p1'}"]) == 2
    assert said in capsys.readouterr().err
    assert not runs.exists()
    assert not (tmp_path / "p1").exists()


def test_a_stored_run_of_another_network_is_refused_with_the_line_to_type(copy, tmp_path, capsys):
    stored = copy / "run.json"
    facts = json.loads(stored.read_text())
    for spec in facts["trials"].values():
        spec["settings"]["network"]["name"] = "mlp"
    stored.write_text(json.dumps(facts))
    assert RunFolder(copy).read() is not None
    assert main(["report", str(copy), "--export", str(tmp_path / "p1")]) == 2
    line = f"underhood run mnist-mlp --scale smoke --set network=template --export {tmp_path / 'p1'}"
    assert line in capsys.readouterr().err


def test_a_stored_run_by_the_command(run, tmp_path, capsys):
    assert main(["report", str(run.path), "--export", str(tmp_path / "p1"), "--json"]) == 0
    files = [str(tmp_path / "p1" / name) for name in ("p1.py", "p1_model.npz", "p1_report.pdf")]
    assert json.loads(capsys.readouterr().out)["files"] == files
    assert main(["report", str(run.path), "--export", str(tmp_path / "p1"), "--format", "pdf"]) == 2
    assert "leave --format, --out and --results out" in capsys.readouterr().err


def test_run_and_export_in_one_command(mnist, runs, tmp_path, capsys):
    words = ["--set=network=template", "--set=network.hidden=[8]", "--scale=smoke", "--set=epochs=1"]
    with trials_in_process():
        assert main(["run", "mnist-mlp", *words, f"--data={mnist}", f"--export={tmp_path / 'p1'}"]) == 0
    assert f"written: {tmp_path / 'p1' / 'p1_report.pdf'}" in capsys.readouterr().err
    assert (tmp_path / "p1" / "p1_report.pdf").read_bytes().startswith(b"%PDF")
    text = (tmp_path / "p1" / "p1.py").read_text()
    assert "HIDDEN = [8]" in text
    assert f"{100 * underhood.open_run('mnist-mlp-smoke').trials[0].result['test_error']:.2f} % of " in text
