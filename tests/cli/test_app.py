"""The command line as a whole: its help, its mistakes, what it loads, and its exit codes."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from underhood import __version__
from underhood.cli import app
from underhood.errors import BadInput, MissingPiece

HEAVY = {"numba", "torch", "vl_convert", "pydantic", "sklearn", "numpy", "jinja2"}
COMMANDS = [
    ["run"],
    ["runs"],
    ["runs", "ls"],
    ["runs", "show"],
    ["runs", "rm"],
    ["runs", "export"],
    ["studies"],
    ["show"],
    ["report"],
    ["data"],
    ["data", "ls"],
    ["data", "verify"],
    ["doctor"],
]


def loaded_by(code: str) -> set[str]:
    """The top-level packages that a fresh interpreter has after running some code."""
    tail = "; import sys; print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "code",
    [
        "import underhood",
        "import underhood.cli",
        "from underhood.cli import main; main(['--help'])",
        "from underhood.cli import main; main(['run', '--help'])",
        "from underhood.cli import main; main(['--version'])",
    ],
)
def test_nothing_heavy_is_loaded_before_it_is_needed(code):
    assert not loaded_by(code) & HEAVY


def test_the_package_runs_as_the_command():
    done = subprocess.run([sys.executable, "-m", "underhood", "show", "nothing"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith('unknown study "nothing"')


def test_help_names_every_command_with_a_line_about_it(underhood):
    said = underhood("--help")
    assert said.status == 0
    assert said.err == ""
    for command in ("run", "studies", "show", "report", "data", "doctor"):
        (line,) = (line for line in said.out.splitlines() if line.startswith(f"│ {command} "))
        assert len(line.strip("│ ").split(maxsplit=1)[1]) > 20


def test_no_command_is_a_question_for_help(underhood):
    assert underhood().out == underhood("--help").out


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_help_has_an_example(underhood, command):
    said = underhood(*command, "--help")
    assert said.status == 0
    assert f"    underhood {' '.join(command)}" in said.out


def test_version(underhood):
    assert underhood("--version").out.strip() == __version__


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rum", "x"], 'unknown command "rum"; did you mean "run"?'),
        (["data", "verity"], 'unknown command "verity"; did you mean "verify"?'),
        (["data", "wash"], 'unknown command "wash"; there is get, ls, verify'),
        (["--jsom"], 'unknown option "--jsom"; there is --help, --version'),
        (["run", "x", "--scal=quick"], 'unknown option "--scal"; did you mean "--scale"?'),
        (["run", "x", "--backend", "torhc"], '--backend: unknown "torhc"; did you mean "torch"?'),
        (["run", "x", "--seeds", "many"], 'Invalid value for --seeds: unable to convert "many" into int.'),
        (["run"], "STUDY: a value is missing"),
        (["run", "x", "--seeds"], "--seeds: a value is missing"),
        (["show", "quickstart", "now"], '"now": one word too many'),
        (["run", "x", "--keep", "--rerun"], "--keep and --rerun: choose one"),
        (["show", "quickstrat"], 'unknown study "quickstrat"; did you mean "quickstart"?'),
        (["report", "nothing"], 'no run "nothing" in'),
    ],
)
def test_a_mistake_names_the_nearest_right_word_and_exits_with_2(underhood, words, said):
    told = underhood(*words)
    assert told.status == 2
    assert told.out == ""
    assert told.err.startswith(said)
    assert "Traceback" not in told.err


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (BadInput("trial.toml:7: no"), 2, "trial.toml:7: no\n"),
        (MissingPiece("no disk"), 3, "no disk\n"),
        (
            ModuleNotFoundError("No module named 'torch'", name="torch.nn"),
            3,
            "This needs PyTorch: pip install 'underhood[torch]'\n",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "runs/x"),
            3,
            "runs/x: No space left on device. Make room; what is finished is kept, and the same command goes on\n",
        ),
        (
            OSError(errno.EROFS, "Read-only file system", "runs/x"),
            3,
            "runs/x: Read-only file system. Name a folder that is yours to write, or change this one's rights\n",
        ),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "x/y"), 2, "x/y: Not a directory. Name another path\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_errors_become_a_message_and_an_exit_code(underhood, monkeypatch, error, status, message):
    def broken():
        def command(words):
            raise error

        return command

    monkeypatch.setattr(app, "make_app", broken)
    said = underhood("studies")
    assert (said.status, said.out, said.err) == (status, "", message)


def test_a_fault_of_ours_says_where_and_how_to_see_more(underhood, monkeypatch):
    monkeypatch.setattr(app, "make_app", lambda: lambda words: 1 // 0)
    said = underhood("studies")
    assert said.status == 1
    assert f"{__file__}:" in said.err
    assert said.err.endswith("ZeroDivisionError: integer division or modulo by zero\n--debug shows the traceback.\n")


def test_debug_shows_the_traceback(underhood):
    with pytest.raises(BadInput, match="unknown study"):
        underhood("show", "quickstrat", "--debug")


def test_a_reader_who_has_seen_enough_is_no_error():
    script = Path(sys.executable).with_name("underhood")
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        done = subprocess.run([script, "studies"], stdout=closed, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
