"""What commands print that print the same everywhere: `recorded/NAME.txt`, a file a command.

python -m tests.cli.recording                                       write them anew, and look at what git says of it
"""

import io
import re
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from tests.cli.conftest import STUDY
from tests.in_process import trials_in_process
from underhood.cli import main
from underhood.networks import NETWORKS

FOLDER = Path(__file__).parent / "recorded"
HELP = """
    run, studies, show, report, compare, view, runs, runs ls, runs show, runs export, runs rm, sync, predict, evaluate,
    new, new study, new network, cost, check, profile, memory, scaling, trace, data, data ls, data get, data verify,
    doctor
    """
COMMANDS = """
    studies
    show quickstart
    show concept-claims
    show adaptive-optimizers
    show region-proposals
    cost simple-nn
    cost resnet20 --training
    cost densenet40 --depth 2 --brief
    cost googlenet --brief --convention weights
    cost resnet18 resnet18-cifar --depth 1
    cost squeezenet --convention buffers --csv
    cost mlp --input 2,64 --args inputs=64 --args classes=5 --json
    cost logic-gate --markdown
    memory simple-conv-net --batch 4 --backend underhood --json
    trace simple-nn --unit conv2[3,4,5]
    trace simple-nn --unit E --depth 4 --terms 2
    trace simple-conv-net --unit fc2[7] --depth 5 --terms 2
    trace simple-nn --gradient conv1.weight[0,0,2,2] --depth 9 --terms 1
    trace simple-nn --gradient input[0,4,4] --depth 3 --terms 2 --target 3 --seed 1
    trace resnet20 --unit 1[3,4,5] --depth 2 --terms 3
    trace mlp --args inputs=4 --args hidden=[3] --unit 0[1,2] --input 2,4 --json
    """
# What the machine has a part in: what is loaded beside a training, and the last digits of a sum.
MASKED = re.compile(r'"(?:runtime|heap|predicted|least|mapped)"|the engine: |PyTorch: |"(?:error|torch|engine)')


def commands() -> list[str]:
    helps = [f"{' '.join(each.split())} --help" for each in HELP.split(",")]
    costs = [f"cost {name} --depth 0 --markdown" for name in sorted(NETWORKS)]
    return [*helps, *costs, *(line.strip() for line in COMMANDS.strip().splitlines())]


def file(command: str) -> Path:
    return FOLDER / f"{re.sub(r'[^a-z0-9=.]+', '-', command.lower()).strip('-')}.txt"


def printed(command: str) -> str:
    """What it prints on a screen of 100 columns, without the lines in which the machine has a part."""
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out):
        patch.setenv("COLUMNS", "100")
        assert main(command.split()) == 0
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines() if not MASKED.search(line)) + "\n"


SESSION = """
    run descent.py --scale smoke --name first
    run descent.py --scale quick --name second --seeds 3
    run descent.py --scale quick --name third --grid lr=0.1,0.3 --grid start=1,2 --seeds 2
    run descent.py --scale quick --name broken --set breaks=true
    run descent.py --scale quick --dry-run
    run descent.py --scale quick --name second --seeds 4 --json
    runs ls
    runs ls --json
    runs show second
    runs show third --sort loss
    runs show broken
    runs export second --format csv
    runs export third --format csv --of metrics
    compare second:lr=0.1 :lr=0.4
    compare second:lr=0.1 :lr=0.4 --json
    compare first second
    compare third:lr=0.1 third:lr=0.3
    compare third:start=1,lr=0.1 third:start=2,lr=0.1
    report third
    runs rm first --yes
    runs ls
    show descent.py
    """
# Times, dates and what they do to a table, where an error was raised, how many processors there are.
VARYING = (
    (r"\d[\d,.]* (?:µs|ms|s|min|h)\b(?: \d\d (?:s|min))?", "⌚"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(\+00:00|Z)?", "📅"),
    (r"(finished|to break)(,,|[\s–]+)\d+\.\d+", r"\1\2⌚"),
    (r"\d+\.\d+(\s+📅)", r"⌚\1"),
    (r'"(seconds|computed_seconds)": [^,}\n]*', r'"\1": ⌚'),
    (r"\d+ at once", "some at once"),
    (r"\n +(Traceback|File|result =|for event|raise|\^)[^\n]*", ""),
    (r"──+", "──"),
    (r"(?<=\S)   +", "  "),
)


def session() -> str:
    """What a user's commands print one after the other, in a folder with a small study."""
    folder = Path(tempfile.mkdtemp())
    (folder / "descent.py").write_text(STUDY)
    parts = []
    with pytest.MonkeyPatch.context() as patch, trials_in_process():
        patch.chdir(folder)
        patch.setenv("UNDERHOOD_RUNS", str(folder / "runs"))
        patch.setenv("COLUMNS", "100")
        for line in SESSION.strip().splitlines():
            out, err = io.StringIO(), io.StringIO()
            with redirect_stdout(out), redirect_stderr(err):
                status = main(line.split())
            parts.append(f"$ underhood {line.strip()}\n{out.getvalue()}{err.getvalue()}→ {status}\n")
    text = "\n".join(parts).replace(str(folder), "FOLDER")
    for pattern, word in VARYING:
        text = re.sub(pattern, word, text)
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for command in commands():
        file(command).write_text(printed(command))
    (FOLDER / "session.txt").write_text(session())
