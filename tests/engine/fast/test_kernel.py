"""Programs: rows, parts and bands."""

import subprocess
import sys
from pathlib import Path
from textwrap import indent

import numpy as np
import pytest

from underhood.engine.fast.kernel import Floats, Image, Longs, Program, float_slot, kernel, mine, row_of


@kernel
def double(x: Floats, z: Floats, count: int, part: int, parts: int, thread: int) -> None:
    for i in mine(count, part, parts):
        z[i] = 2 * x[i]


@kernel
def scale(x: Floats, by: float, count: int, part: int, parts: int, thread: int) -> None:
    for i in mine(count, part, parts):
        x[i] *= by


@kernel
def note(log: Longs, at: Longs, row: int, part: int, parts: int, thread: int) -> None:
    log[at[0]] = 10 * row + part
    at[0] += 1


@kernel
def corner(z: Image, value: float, images: int, part: int, parts: int, thread: int) -> None:
    for n in mine(images, part, parts):
        z.data[row_of(z, thread, n, 1) + 2 * z.column] = value


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_parts_do_all_of_the_work(parts: int, threads: int) -> None:
    x = np.arange(11, dtype="float64")
    z = np.zeros(11)
    program = Program("float64")
    program.add(double, x, z, 11, parts=parts)
    program.add(scale, z, 0.5, 11, parts=parts)
    program.seal()
    program.run(threads)
    np.testing.assert_array_equal(z, x)


def test_a_part_goes_through_all_rows_of_a_band() -> None:
    log, at = np.zeros(16, np.int64), np.zeros(1, np.int64)
    program = Program("float32")
    program.add(note, log, at, 0, parts=2, joins=True)
    program.add(note, log, at, 1, parts=2, joins=True)
    program.add(note, log, at, 2, parts=2)  # waits for the band
    program.add(note, log, at, 3, parts=3, joins=True)  # other parts: no band
    program.seal()
    program.run(1)
    assert log[: at[0]].tolist() == [0, 10, 1, 11, 20, 21, 30, 31, 32]


def test_a_row_that_joins_does_not_enter_a_band_that_must_be_waited_for() -> None:
    log, at = np.zeros(16, np.int64), np.zeros(1, np.int64)
    program = Program("float32")
    program.add(note, log, at, 0, parts=2)
    program.add(note, log, at, 1, parts=2, joins=True)
    program.seal()
    program.run(1)
    assert log[: at[0]].tolist() == [0, 1, 10, 11]


def test_a_slot_can_be_changed_between_runs() -> None:
    x = np.ones(3, "float32")
    program = Program("float32")
    row = program.add(scale, x, 3.0, 3)
    program.seal()
    program.run(1)
    program.table[program.slot(row, "by")] = float_slot(0.5)
    program.run(1)
    np.testing.assert_array_equal(x, np.full(3, 1.5))


def test_images_are_walked_by_their_steps() -> None:
    z = np.zeros((2, 3, 4, 2))
    program = Program("float64")
    program.add(corner, Image(z.reshape(-1), 0, 0, 24, 8, 2), 5.0, 2)
    program.seal()
    program.run(1)
    assert np.argwhere(z).tolist() == [[0, 1, 2, 0], [1, 1, 2, 0]]


def test_wrong_arrays_are_refused() -> None:
    program = Program("float32")
    with pytest.raises(TypeError, match="x wants contiguous float32, not float64"):
        program.add(double, np.zeros(3), np.zeros(3, "float32"), 3)
    with pytest.raises(TypeError, match="double takes 3 arguments, not 2"):
        program.add(double, np.zeros(3, "float32"), 3)


PAGE = """
import sys
import numpy as np
sys.path.insert(0, {folder!r})
import numba
from underhood.engine import compile
compile.ROOT = __import__("pathlib").Path({folder!r})
from underhood.engine.probe import outer
from underhood.engine.fast.kernel import Program
z = np.zeros(3)
program = Program("float64")
program.add(outer, z, 3)
program.seal()
program.run(1)
print(z.tolist())
"""


CONSTANT = (
    "from numba.extending import register_jitable\n\n\n@register_jitable\ndef value() -> float:\n    return 1.0\n"
)
OUTER = """@kernel
def outer(z: Floats, count: int, part: int, parts: int, thread: int) -> None:
    for i in mine(count, part, parts):
        z[i] = value()
"""
IMPORTS = "from underhood.engine.fast.kernel import Floats, kernel, mine\n"
LAYOUTS = {
    "a helper that the kernel's page imports": {
        "probe_value": CONSTANT,
        "probe": f"{IMPORTS}from underhood.engine.probe_value import value\n\n\n{OUTER}",
    },
    "a rule that the kernel closes over": {
        "probe_kernel": f"{IMPORTS}\n\ndef outer_of(value):\n{indent(OUTER, '    ')}    return outer\n",
        "probe_value": f"from underhood.engine.probe_kernel import outer_of\n{CONSTANT}\n\nouter = outer_of(value)\n",
        "probe": "from underhood.engine.probe_value import outer\n",
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_change_on_another_page_is_noticed(layout: str, tmp_path: Path) -> None:
    """The engine copied, with a kernel of several pages; one that is not its own is edited between two processes."""
    import shutil

    import underhood

    copy = tmp_path / "underhood"
    shutil.copytree(Path(underhood.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in LAYOUTS[layout].items():
        (copy / "engine" / f"{name}.py").write_text(text)

    def run() -> str:
        code = PAGE.format(folder=str(tmp_path))
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert run() == "[1.0, 1.0, 1.0]"
    edited = copy / "engine" / "probe_value.py"
    edited.write_text(edited.read_text().replace("1.0", "2.0"))
    assert run() == "[2.0, 2.0, 2.0]"
