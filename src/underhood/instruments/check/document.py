"""The table of operations in the documents, made of the registry and of what `check all` finds.

    python -m underhood.instruments.check.document docs/operations.md        (`make docs`)

The file is written only when every operation agrees, so its table says what held when it was made.
"""

import sys
from pathlib import Path

import numpy as np

from underhood.engine.forms import NAMES, OPERATIONS
from underhood.instruments.check.findings import DOUBLE, SINGLE
from underhood.instruments.check.operations import check_all
from underhood.instruments.laws import law

HEAD = """\
# The operations

Every operation of the engine, with the equation of its page. Each of its forms is held against PyTorch, outputs and
every gradient under random cotangents, on the samples of the page (ties, borders, empty, size-one, broadcast and
non-contiguous inputs): within {double} of the norm in float64 and {single} in float32. `underhood check all` does it
again, `underhood check conv2d` shows one operation in full. This page is written by `make docs`.

| Operation | Equation | Forms | PyTorch | Samples |
| :--- | :--- | :--- | :--- | ---: |
"""


def document() -> str:
    """The page, in Markdown."""
    rows = []
    for name, operation in sorted(OPERATIONS.items()):
        forms = ", ".join(form for form in NAMES if getattr(operation, form) is not None)
        equation = law(operation).replace("|", "\\|")
        samples = len(list(operation.samples(np.random.default_rng(0)))) if operation.samples else 0
        rows.append(f"| `{name}` | {equation} | {forms} | `{operation.reference}` | {samples} |")
    head = HEAD.format(double=_power(DOUBLE), single=_power(SINGLE))
    return head + "\n".join(rows) + "\n"


def _power(value: float) -> str:
    return f"{value:.0e}".replace("-0", "−").replace("-", "−")


def main(path: Path) -> int:
    """Check everything, then write the page."""
    found = check_all()
    if not found.agrees:
        print(f"{path} is not written: {', '.join(found.faults)}; `underhood check all` says where", file=sys.stderr)
        return 1
    path.write_text(document(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
