"""What commands print that print the same everywhere: `recorded/NAME.txt`, a file a command.

python -m tests.cli.recording                                       write them anew, and look at what git says of it
"""

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest

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


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for command in commands():
        file(command).write_text(printed(command))
