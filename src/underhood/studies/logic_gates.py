r"""The smallest sigmoid networks that are logic gates, and the proof that nothing smaller can be.

    z = w₁ A + w₂ B + b,   output σ(z), read as 1 when it is ≥ 0.5, that is when z ≥ 0

The weights come from reasoning, not from training, and that one unit is too few from linear programming: both stand
in `gates`.

Source: exercise 2 of "24-789 Deep Learning for Engineers", Carnegie Mellon University, 2021; Minsky & Papert 1969.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import Field, field_validator

from underhood.engine.forms import form
from underhood.errors import BadInput, nearest
from underhood.lab import Results, Scale, Study
from underhood.networks.logic_gate import GATES, Layer, inputs, smallest
from underhood.report.document import Document, Equation, Section
from underhood.settings import Settings
from underhood.studies.by_hand.worked import aligned, check, checks_table, number, with_torch
from underhood.studies.gates.drawings import gate_figure
from underhood.studies.gates.structures import forward, in_torch, one_unit
from underhood.tables import Column, Table
from underhood.trials import Context, Event, Result


class LogicGatesSettings(Settings):
    """Which gates, and how steep the hidden units are."""

    gates: list[str] = Field(
        list(GATES),
        min_length=1,
        description="names, or a gate of your own as its outputs for 00, 01, 10, 11: 0010 is A and not B",
    )
    steepness: float = Field(
        10.0, gt=0, description="what the weights of networks with a hidden layer are multiplied by (assumed)"
    )

    @field_validator("gates", mode="before")
    @classmethod
    def _known(cls, given: Any) -> Any:
        if not isinstance(given, list):
            given = [given]
        gates = [str(each).upper() for each in given]
        for gate in gates:
            if gate not in GATES and not (set(gate) <= {"0", "1"} and len(gate) in (2, 4)):
                hint = nearest(gate, list(GATES))
                raise BadInput(f'unknown gate "{gate}"; {hint} (or its outputs for 00, 01, 10, 11, as text: "0010")')
        return list(dict.fromkeys(gates))


# -- the trial --


def trial(settings: LogicGatesSettings, seed: int, context: Context) -> Iterator[Event]:
    """Every gate's network, its truth table, PyTorch's outputs, and what linear programming says of one unit."""
    with form("vector"):
        gates = [worked_gate(gate, settings.steepness) for gate in settings.gates]
        example = [forward([Layer([[-1.0]], [bias])], inputs("10"))[0] for bias in (-0.5, 0.5)]
    yield Result(
        {
            "gates": gates,
            "right": all(gate["right"] for gate in gates),
            "example": example,
            "two_input_units": sum(one_unit(f"{k:04b}")["possible"] for k in range(16)),
        }
    )


def worked_gate(gate: str, steepness: float) -> dict[str, Any]:
    outputs = GATES.get(gate, gate)
    layers, rows = smallest(outputs, steepness), inputs(outputs)
    passes = forward(layers, rows)
    answers = [row[-1] for row in passes[-1]]
    theirs = with_torch(in_torch, layers, rows)
    return {
        "gate": gate,
        "outputs": outputs,
        "layers": [{"w": layer.w, "b": layer.b} for layer in layers],
        "passes": passes,
        "right": all((answer >= 0.5) == (out == "1") for answer, out in zip(answers, outputs, strict=True)),
        "one_unit": one_unit(outputs),
        "gap": None if theirs is None else max(abs(a - b) for a, b in zip(answers, theirs, strict=True)),
    }


# -- the report --

TITLE = "Logic gates from sigmoid units"
QUESTION = "What is the smallest sigmoid network for each logic gate, and why can nothing smaller do it?"


def report(results: Results) -> Document:
    """The networks with their truth tables and drawings, then why nothing smaller will do."""
    found = results.groups[0].counted[0].result
    gates = found["gates"]
    single = [gate for gate in gates if len(gate["layers"]) == 1]
    double = [gate for gate in gates if len(gate["layers"]) == 2]
    sections = [Section("What one unit does", [*_unit_explained(), _structures(gates)])]
    if single:
        sections.append(Section("One unit is enough", [HOW_SINGLE, *(b for gate in single for b in _blocks(gate))]))
    if double:
        sections.append(Section("Two lines, three units", [HOW_DOUBLE, *(b for gate in double for b in _blocks(gate))]))
    sections.append(Section("Why nothing smaller will do", list(_why(found, gates))))
    sections.append(Section("The sheet's NOT gate", list(_example(found["example"]))))
    checks = [check(f"{gate['gate']}: outputs of the network", "PyTorch", gate["gap"]) for gate in gates]
    sections.append(Section("Checks", [checks_table(checks)]))
    return Document(TITLE, QUESTION, _answer(gates, found), sections)


HOW_SINGLE = (
    "The weights follow from counting. Where only one row of the truth table is 1, give an input the weight 1 if it "
    "is 1 in that row and −1 if it is 0: the sum is largest there, by at least 1, and a bias puts 0 halfway between "
    "it and the next. Where only one row is 0, take that unit's contrary, all signs turned. The margin is 0.5 on "
    "both sides."
)
HOW_DOUBLE = (
    "No line parts these ones from these zeros, but two lines do, and each line is a unit. XOR is 1 where *at least "
    "one* input is 1 and *not both* are: AND(OR, NAND). XNOR is 1 where *both* are 1 or *neither*: OR(AND, NOR). The "
    "two inner gates become the hidden units, the outer gate the output. A hidden sigmoid hands on not 0 and 1 but "
    "σ(z), so all weights are multiplied by the steepness: the lines stay where they are, and σ comes near 0 and 1."
)


def _unit_explained() -> Iterator[str | Equation]:
    yield Equation(
        r"z = w_1 A + w_2 B + b, \qquad \sigma(z) = \frac{1}{1 + e^{-z}} \ge 0.5 \;\iff\; z \ge 0",
        r"The sigmoid rises through 0.5 at $z = 0$: the unit says 1 on one side of the line $w_1 A + w_2 B + b = 0$, "
        "the line included, and 0 on the other.",
    )
    yield (
        "So one unit cuts the plane of A and B once. A gate can be one unit exactly if one straight cut parts the "
        "corners where it says 1 from those where it says 0."
    )


def _structures(gates: list[dict[str, Any]]) -> Table:
    rows = []
    for gate in gates:
        layers = gate["layers"]
        sizes = [len(layers[0]["w"][0]), *(len(layer["b"]) for layer in layers)]
        rows.append(
            {
                "gate": gate["gate"],
                "structure": "–".join(map(str, sizes)),
                "hidden": len(layers) - 1,
                "units": sum(sizes[1:]),
                "numbers": sum(len(l["b"]) * (len(l["w"][0]) + 1) for l in layers),
                "right": gate["right"],
            }
        )
    columns = [
        Column("gate", "Gate", align="left"),
        Column("structure", "Structure", align="left", help="inputs, units of each layer"),
        Column("hidden", "Hidden layers"),
        Column("units", "Units"),
        Column("numbers", "Weights and biases"),
        Column("right", "Truth table right", align="left"),
    ]
    return Table("The smallest networks", columns, rows, name="structures")


def _blocks(gate: dict[str, Any]) -> Iterator[Any]:
    yield gate_figure(gate, inputs(gate["outputs"]))
    yield Equation(aligned(_formulas(gate)))
    yield _truth_table(gate)


def _formulas(gate: dict[str, Any]) -> Iterator[str]:
    layers, names = gate["layers"], ["A", "B"]
    for depth, layer in enumerate(layers):
        last = depth == len(layers) - 1
        heads = ["X"] if last else [f"h_{i + 1}" for i in range(len(layer["b"]))]
        for head, w, b in zip(heads, layer["w"], layer["b"], strict=True):
            terms = "".join(_term(value, name) for value, name in zip(w, names, strict=False)) + _term(b, "")
            sign = "-" if terms.startswith(" - ") else ""
            yield rf"{head} &= \sigma({sign}{terms[3:]})"
        names = heads


def _term(value: float, name: str) -> str:
    """A weight times an input after its sign, as ` - B` or ` - 1.5`; nothing for 0."""
    if value == 0:
        return ""
    size = number(abs(value))
    factor = name if size == "1" and name else rf"{size}\,{name}" if name else size
    return f"{' - ' if value < 0 else ' + '}{factor}"


def _truth_table(gate: dict[str, Any]) -> Table:
    names = ["A", "B"][: len(inputs(gate["outputs"])[0])]
    hidden, top = gate["passes"][:-1], gate["passes"][-1]
    units = len(gate["layers"][0]["b"]) if hidden else 0
    rows = []
    for i, row in enumerate(inputs(gate["outputs"])):
        inside = hidden[0][i][units:] if hidden else []
        rows.append(
            {
                **dict(zip(names, row, strict=True)),
                **{f"h{k + 1}": value for k, value in enumerate(inside)},
                "z": top[i][0],
                "out": top[i][1],
                "read": int(top[i][1] >= 0.5),
                "wanted": int(gate["outputs"][i]),
            }
        )
    columns = [
        *(Column(name, name) for name in names),
        *(Column(f"h{k + 1}", f"h{k + 1}", format=".4f") for k in range(units)),
    ]
    columns += [
        Column("z", "z", format=".4g"),
        Column("out", "σ(z)", format=".4f"),
        Column("read", "Read as"),
        Column("wanted", "Wanted"),
    ]
    return Table(f"{gate['gate']}: the truth table", columns, rows, name=f"truth-{gate['gate'].lower()}")


def _why(found: dict[str, Any], gates: list[dict[str, Any]]) -> Iterator[Any]:
    yield (
        "**One unit.** Nothing is smaller than one unit: without any, the output would be an input itself, which none "
        f"of the sheet's gates is. Of the 16 functions of two inputs, {found['two_input_units']} are one unit; the "
        "table says what linear programming found for each gate of this report."
    )
    yield _programs(gates)
    for gate in (gate for gate in gates if not gate["one_unit"]["possible"]):
        yield from _contradiction(gate)
    if all(gate["one_unit"]["possible"] for gate in gates):
        return
    yield (
        "**A hidden layer of one unit, 2–1–1.** The hidden unit turns the inputs into one number, h = σ(z), which "
        "rises with z. The output says 1 where h is above a threshold, if its weight is positive, or below one, if it "
        "is negative: on one side of a line that runs along z = constant. That is a single cut again, in the first "
        "case {z ≥ c}, in the second {−z ≥ −c}. The program above leaves the sign of the weights free and so excludes "
        "both, and with a weight of 0 the output is the same everywhere."
    )
    yield (
        "**More layers of one unit, 2–1–1–1 and so on.** Each is a rising or falling function of the number before "
        "it, so all of them together cut the plane once, too. This leaves 2–2–1, three units in two layers, as the "
        "smallest: it has the fewest layers, and with those the fewest units. (A wire past the hidden layer would save "
        "one unit, but then the network is no longer fully connected layer by layer.)"
    )


def _programs(gates: list[dict[str, Any]]) -> Table:
    rows = []
    for gate in gates:
        lp = gate["one_unit"]
        if lp["possible"]:
            proof = f"w, b = {', '.join(f'{v + 0:.3g}' for v in lp['weights'])}".replace("-", "−")
        else:
            proof = f"multipliers {', '.join(map(str, lp['multipliers']))} add up to 0 ≤ {lp['right']}".replace(
                "-", "−"
            )
        rows.append({"gate": gate["gate"], "possible": lp["possible"], "proof": proof})
    columns = [
        Column("gate", "Gate", align="left"),
        Column("possible", "One unit", align="left"),
        Column("proof", "What proves it", align="left"),
    ]
    foot = [
        "Solved: z ≥ 0 where the gate says 1, z ≤ −1 where it says 0. Impossible cases are proved in whole numbers."
    ]
    return Table("Is there a line? Asked by linear programming", columns, rows, foot, name="programs")


def _contradiction(gate: dict[str, Any]) -> Iterator[Any]:
    """The inequalities that contradict each other, added up."""
    lp, rows = gate["one_unit"], inputs(gate["outputs"])
    lines: list[str] = []
    ones: list[str] = []
    zeros: list[str] = []
    for row, out, times in zip(rows, gate["outputs"], lp["multipliers"], strict=True):
        if not times:
            continue
        factor = "" if times == 1 else rf"{times}\cdot "
        sides = [f"w_{i + 1}" for i, value in enumerate(row) if value] + ["b"]
        z = " + ".join(sides)
        side = r"\ge 0" if out == "1" else "< 0"
        lines.append(rf"({', '.join(map(str, row))}): \quad & {z} {side}")
        (ones if out == "1" else zeros).append(f"{factor}({z})" if len(sides) > 1 or times > 1 else z)
    yield f"**{gate['gate']}**, row by row, would need"
    yield Equation(
        aligned(lines),
        f"Add the rows that are 1: ${' + '.join(ones)} \\ge 0$. Add the rows that are 0: ${' + '.join(zeros)} < 0$. "
        "Both sums are the same thing, which cannot be at least 0 and less than 0. No weights do it.",
    )


def _example(example: list[list[list[float]]]) -> Iterator[Any]:
    yield (
        "The sheet's example of a NOT gate has the weight −1 and the bias −0.5. It says 0 to both inputs; with the "
        "bias +0.5 it is right. The line has to lie between 0 and 1: −A + 0.5 = 0 at A = 0.5, while −A − 0.5 = 0 at "
        "A = −0.5, left of both."
    )
    rows = []
    for bias, passes in zip((-0.5, 0.5), example, strict=True):
        for a, (z, out) in enumerate(passes):
            rows.append({"bias": bias, "A": a, "z": z, "out": out, "read": int(out >= 0.5), "wanted": 1 - a})
    columns = [
        Column("bias", "Bias", format="+.1f"),
        Column("A", "A"),
        Column("z", "z", format=".1f"),
        Column("out", "σ(z)", format=".4f"),
        Column("read", "Read as"),
        Column("wanted", "Wanted"),
    ]
    yield Table("NOT as printed, and mended", columns, rows, name="not-example")


def _answer(gates: list[dict[str, Any]], found: dict[str, Any]) -> str:
    said = []
    single = [gate for gate in gates if len(gate["layers"]) == 1]
    double = [gate for gate in gates if len(gate["layers"]) == 2]
    if single:
        weights = "; ".join(f"{gate['gate']} ({_weights(gate['layers'][0])})" for gate in single)
        said.append(f"- **One unit, no hidden layer** (weights; bias): {weights}.")
    if double:
        names = " and ".join(gate["gate"] for gate in double)
        said.append(
            f"- **Two hidden units and one output**: {names}. One unit is impossible, which linear programming "
            "certifies with whole numbers; 2–1–1 and longer chains of single units cut the plane only once, too."
        )
    wrong = [gate["gate"] for gate in gates if not gate["right"]]
    if wrong:
        said.append(
            f"- With this steepness **{', '.join(wrong)}** {'is' if len(wrong) == 1 else 'are'} wrong: the hidden "
            "units are too soft for the output's line. Take a larger one."
        )
    else:
        said.append(
            f"- Every row of all {len(gates)} truth tables is right."
            if len(gates) > 1
            else "- Its truth table is right."
        )
    outs = [f"{row[1]:.3f}" for row in found["example"][0]]
    said.append(
        f"- The sheet's own NOT example (weight −1, bias −0.5) gives {outs[0]} and {outs[1]}, so 0 for both inputs; "
        "the bias must be **+0.5**."
    )
    return "\n".join(said)


def _weights(layer: dict[str, Any]) -> str:
    weights = ", ".join(f"{w:g}" for w in layer["w"][0])
    return f"{weights}; {layer['b'][0]:g}".replace("-", "−")


ENTRY = Study(
    name="logic-gates",
    title=TITLE,
    question=QUESTION,
    theme="By hand",
    source="course 24-789, CMU 2021; Minsky & Papert 1969",
    settings=LogicGatesSettings,
    trial=trial,
    compares=(),
    seeded=False,
    scales={
        "smoke": Scale("NOT, AND and XOR", seeds=1, set={"gates": ["NOT", "AND", "XOR"]}, time="5 s", complete=True),
        "quick": Scale("the seven gates of the sheet", seeds=1, time="8 s"),
        "full": Scale(
            "all 16 functions of two inputs",
            seeds=1,
            time="12 s",
            set={"gates": [f"{k:04b}" for k in range(16)]},
        ),
    },
    report=report,
)
