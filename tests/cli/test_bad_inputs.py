"""A hundred bad inputs: each one clear line or list, exit 2, and nothing started."""

import json
import re
import shlex
import shutil

import pytest

from tests.cli.conftest import STUDY
from tests.in_process import trials_in_process
from underhood.cli import main

TOO_MANY = "--set " + " --set ".join(f"wrong{i}=1" for i in range(5))

# What is typed, and what is said of it. STUDY is a study in a file, RUN a run of it, FILE a file of text.
BAD = [
    # the command
    ("rnu STUDY", 'unknown command "rnu"; did you mean "run"'),
    ("run", "STUDY: a value is missing"),
    ("run STUDY more", '"more": one word too many'),
    ("run STUDY --sedes 3", 'unknown option "--sedes"; did you mean "--seeds"'),
    ("run STUDY --seeds", "--seeds: a value is missing"),
    ("run STUDY --seeds many", "--seeds"),
    ("run STUDY --seeds 1.5", "--seeds"),
    ("run STUDY --seeds 0", "--seeds 0: a trial needs a seed"),
    ("run STUDY --seeds -3", "-3"),
    ("run STUDY --keep --rerun", "choose one"),
    ("run STUDY --tune --dry-run", "leave one out"),
    ("run STUDY --fit 1GB --dry-run", "leave one out"),
    ("run STUDY --hosts left,right", "--hosts: no trial has several workers; say how many by --devices"),
    ("run STUDY --hosts left,,right", '--hosts "left,,right": a name is missing'),
    ("run STUDY --hosts ''", "a name is missing"),
    ("run STUDY --hosts left,right --on ray", "--hosts and --on ray: Ray places trials itself"),
    ("run STUDY --via ssh", "--via: says how hosts are reached; name them by --hosts"),
    ("scaling simple-nn --hosts ,", "a name is missing"),
    ("studies now", '"now": one word too many'),
    ("show", "STUDY: a value is missing"),
    ("data verfy", 'unknown command "verfy"; did you mean "verify"'),
    ("runs lst", 'unknown command "lst"'),
    # the study
    ("run quikstart", 'unknown study "quikstart"; did you mean "quickstart"'),
    ("show quikstart", 'unknown study "quikstart"'),
    ("run nowhere.py", "nowhere.py: no such file"),
    ("run FILE.py", None),
    ("run STUDY:other", 'no study "other"'),
    ("run .", "unknown study"),
    ("run /dev/null", "unknown study"),
    ("run ''", "unknown study"),
    ("run ../../evil", "unknown study"),
    ("run STUDY --scale quik", 'unknown scale "quik"; did you mean "quick"'),
    ("run STUDY --scale ''", 'unknown scale ""'),
    # settings
    ("run STUDY --set lrr=0.1", '--set lrr: unknown setting; did you mean "lr"'),
    ("run STUDY --set lr", "write it as --set KEY=VALUE"),
    ("run STUDY --set =1", "write it as --set KEY=VALUE"),
    ("run STUDY --set lr=high", "lr"),
    ("run STUDY --set lr='\"0.1 \"'", "is text; write 0.1"),
    ("run STUDY --set lr=[1]", "lr"),
    ("run STUDY --set lr=true", "write"),
    ("run STUDY --set steps=1.5", "steps"),
    ("run STUDY --set steps=none", "steps"),
    ("run STUDY --set breaks=maybe", "breaks"),
    ("run STUDY --set lr.name=1", "lr"),
    ("run STUDY --set .=1", "write it as --set KEY=VALUE"),
    ("run STUDY --set a..b=1", "write it as --set KEY=VALUE"),
    (f"run STUDY {TOO_MANY}", "5 mistakes; nothing was started"),
    ("run quickstart --set optimizer=adamx", 'unknown "adamx"; did you mean "ada'),
    ("run quickstart --set optimizer.lrr=0.1", 'did you mean "lr"'),
    ("run quickstart --set network.hiden=[3]", "hidden"),
    ("run quickstart --set network=resnet", "unknown"),
    ("run quickstart --set batch_size=0", "batch_size"),
    ("run quickstart --set batch_size=-1", "batch_size"),
    ("run quickstart --set epochs=0", "epochs"),
    ("run quickstart --set epochs=ten", "epochs"),
    ("run quickstart --set data.name=imagenet", 'unknown "imagenet"'),
    ("run quickstart --set data.name=nowhere.npz", "there is no nowhere.npz"),
    ("run quickstart --set data.name=FILE", "FILE"),
    ("run quickstart --set data.validation=-1", "validation"),
    ("run quickstart --set data.augmentation=[flap]", 'unknown "flap"; did you mean "flip"'),
    ("run quickstart --set schedule=cosin", "cosin"),
    ("run quickstart --set threads=0", "threads"),
    ("run quickstart --set backend=jax", 'unknown "jax"'),
    ("run quickstart --backend jax", '--backend: unknown "jax"'),
    # files of settings
    ("run STUDY --settings nowhere.toml", "nowhere.toml: cannot be read"),
    ("run STUDY --settings FILE", "FILE:1"),
    ("run STUDY --settings .", "cannot be read"),
    ("run STUDY --settings BYTES", "is not UTF-8"),
    ("run STUDY --settings WRONG.toml", "WRONG.toml:2: lrr: unknown setting"),
    # axes
    ("run STUDY --grid lr", "write it as --grid KEY=A,B,C"),
    ("run STUDY --grid lr=", "write it as --grid KEY=A,B,C"),
    ("run STUDY --grid lrr=1,2", "unknown setting"),
    ("run STUDY --grid lr=1,high", "lr"),
    ("run STUDY --grid lr=1,2 --set lr=3", "is fixed by --set"),
    # how it is run
    ("run STUDY --parallel 0", "--parallel 0: at least one"),
    ("run STUDY -j many", "-j"),
    ("run STUDY --retry -1", "-1"),
    ("run STUDY --checkpoint-every 5", 'write it as 30s'),
    ("run STUDY --checkpoint-every -5s", "--checkpoint-every"),
    ("run STUDY --when-full wait", '--when-full: unknown "wait"'),
    ("run STUDY --memory-limit much", "much"),
    ("run STUDY --memory-limit=-1GB", "-1GB"),
    ("run STUDY --fit much", "much"),
    ("run STUDY --name ../evil", "names a folder"),
    ("run STUDY --name a/b", "names a folder"),
    ("run STUDY --name ''", "names a folder"),
    ("run STUDY --name .hidden", "names a folder"),
    ("run STUDY --runs FILE", "is a file; the folder of runs is expected"),
    ("run STUDY --runs FILE/deep", "Not a directory"),
    ("run STUDY --name OTHER", "holds a run of"),
    # what ran
    ("report nothing", 'no run "nothing"'),
    ("report RUN --format doc", '--format: unknown "doc"'),
    ("report RUN --out FILE", "FILE"),
    ("report RUN --export x --format md", "leave --format, --out and --results out"),
    ("report RUN --runs FILE", "is a file"),
    ("runs show", "RUN: a value is missing"),
    ("runs show nothing", 'no run "nothing"'),
    ("runs show RUN --where lr", "write it as KEY=VALUE"),
    ("runs show RUN --where lrr=1", 'unknown "lrr"; did you mean "lr"'),
    ("runs show RUN --where 'state<1'", "can't be compared"),
    ("runs show RUN --sort eror", 'unknown "eror"'),
    ("runs show RUN --columns labl", 'unknown "labl"; did you mean "label"'),
    ("runs ls --where stat=finished", 'did you mean "state"'),
    ("runs ls --runs FILE", "is a file"),
    ("runs rm", "RUN: a value is missing"),
    ("runs rm nothing --yes", 'no run "nothing"'),
    ("runs rm RUN", "--yes removes without asking"),
    ("runs rm FILE --yes", "no run"),
    ("runs export RUN --format xls", '--format: unknown "xls"'),
    ("runs export RUN --of losses", '--of: unknown "losses"'),
    ("runs export RUN --format parquet", "is no text for a pipe"),
    ("predict nothing FILE", 'no run "nothing"'),
    ("predict RUN FILE", "Which setting?"),
    ("evaluate nothing", None),
    # instruments
    ("cost mpl", 'did you mean "mlp"'),
    ("cost nowhere.py:Net", "nowhere.py"),
    ("cost mlp --input 1,a", None),
    ("memory mlp --input 0,0", None),
    ("check nothing", "nothing"),
    ("data get nothing", "nothing"),
    ("data verify nothing", "nothing"),
]  # fmt: skip


@pytest.fixture
def place(tmp_path, monkeypatch, study, runs, no_data):
    """A folder with a study, a file of text, one of bytes, a run of the study, and one of another study."""
    (tmp_path / "FILE").write_text("a line of text\n")
    (tmp_path / "FILE.py").write_text("x = 1\n")
    (tmp_path / "BYTES").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "WRONG.toml").write_text("lr = 0.1\nlrr = 0.1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A run to be copied: trials are run once."""
    folder = tmp_path_factory.mktemp("ran")
    (folder / "descent.py").write_text(STUDY)
    with trials_in_process():
        assert main(["run", str(folder / "descent.py"), "--scale", "smoke", "--runs", str(folder)]) == 0
    return folder / "descent-smoke"


def everything_in(folder):
    return {
        path: path.stat().st_mtime_ns for path in folder.rglob("*") if ".index." not in path.name and path.is_file()
    }


def test_there_are_a_hundred():
    assert len({typed for typed, _ in BAD}) == len(BAD) >= 100


@pytest.mark.parametrize(("typed", "said"), BAD, ids=[typed for typed, _ in BAD])
def test_a_bad_input_is_one_clear_line_or_list_and_nothing_starts(typed, said, underhood, place, study, runs, ran):
    shutil.copytree(ran, runs / "RUN")
    shutil.copytree(ran, runs / "OTHER")
    facts = json.loads((runs / "OTHER" / "run.json").read_text())
    (runs / "OTHER" / "run.json").write_text(json.dumps(facts | {"study": "another"}))
    words = [word.replace("STUDY", study) for word in shlex.split(typed)]
    before = everything_in(place)
    told = underhood(*words)
    assert told.status == 2, told
    assert told.out == ""
    assert "Traceback" not in told.err
    assert "broke down" not in told.err
    lines = told.err.strip().splitlines()
    assert 1 <= len(lines) <= 8
    assert all(len(line) < 600 for line in lines)
    assert said is None or said in told.err
    assert everything_in(place) == before
    assert not re.search(r"<[a-z]+ object at 0x", told.err)
