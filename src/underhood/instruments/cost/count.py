"""What a network costs: parameters, multiply–adds, activations and receptive field of every layer, with the sums.

    >>> from underhood.instruments.cost import cost
    >>> found = cost("listing1")
    >>> found.parameters, found.macs
    (21840, 480500)
    >>> found["0"].texts["parameters"]
    '(5·5·1)·10 + 10 = 260'

One forward pass of the network's replica on the meta device: shapes without numbers, so VGG19 takes no memory and
0.1 s. The network itself is never run and never changed.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from underhood.errors import BadInput, nearest
from underhood.instruments.cost import receptive_field
from underhood.instruments.cost.forward import Forward, forward
from underhood.instruments.cost.layers import layers
from underhood.instruments.cost.products import product_of, torch_macs
from underhood.instruments.cost.result import CostResult, Counts
from underhood.instruments.cost.tables import arithmetic_table, as_json, layer_table, share_figure, totals_table
from underhood.instruments.inputs import Inputs, as_inputs
from underhood.instruments.page import Presented, page
from underhood.instruments.pytorch import load_torch
from underhood.instruments.record import Record, record
from underhood.instruments.target import Target, resolve
from underhood.tables import Table

if TYPE_CHECKING:
    from underhood.figures import Figure

SCHEMA = "underhood.cost/1"
CONVENTIONS = ("parameters", "weights", "buffers")


class Cost(CostResult, Presented):
    """What was found, and how it looks."""

    @property
    def layers(self) -> Table:
        return layer_table(self)

    @property
    def arithmetic(self) -> Table:
        return arithmetic_table(self)

    @property
    def totals(self) -> Table:
        return totals_table(self)

    def tables(self) -> list[Table]:
        return [self.layers, self.arithmetic, self.totals]

    def figure(self) -> "Figure":
        """Multiply–adds and parameters of every layer, as fractions of the whole."""
        return share_figure(self)

    def to_csv(self) -> str:
        """The layers; groups too, marked, so that their sums are not summed again."""
        return self.layers.to_csv()

    def to_html(self) -> str:
        """A page of its own: the tables and the chart."""
        return page(f"What {self.name} costs", [self.totals, self.figure(), self.layers, self.arithmetic])

    def to_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA, **as_json(self)}


def cost(
    network: Any,
    input: Any = None,  # noqa: A002 (what every user calls it)
    *,
    arguments: Mapping[str, Any] | None = None,
    convention: str = "parameters",
    training: bool = False,
    depth: int | None = None,
) -> Cost:
    """Count a network: a torch.nn.Module, a class, or a text such as "vgg16" or "net.py:Network".

    `input` is the shape of the input with its batch, (32, 1, 28, 28); a list for several inputs, a dict for a
    dict, tensors where shapes are not enough; networks of ours know theirs. `convention` says what counts as
    a parameter: "weights" (tensors of two dimensions and more), "parameters" (with biases and scales),
    "buffers" (with running statistics). `training` runs the pass in training mode. `depth` collapses the
    tables below so many levels.

    Raises BadInput when the network can't be built or the pass fails, saying in which layer.
    """
    if convention not in CONVENTIONS:
        raise BadInput(f'convention: unknown "{convention}": {nearest(convention, list(CONVENTIONS))}')
    target = resolve(network, arguments)
    inputs = as_inputs(input, target.input)
    with load_torch("cost").random.fork_rng(devices=[]):
        found = forward(target, inputs, training, record)
    return replace(_read(target, inputs, found), convention=convention, training=training, depth=depth)


def _read(target: Target, inputs: Inputs, run: Forward) -> Cost:
    found: Record = run.result
    fields = receptive_field.follow(found)
    rows = layers(found, fields, run.module)
    leaves = [row for row in rows if not row.group]
    ours: Counter[str] = Counter()
    torchs: Counter[str] = Counter()
    for operation in found.root.operations():
        product, theirs = product_of(operation), torch_macs(operation)
        ours[operation.name] += product.macs if product else 0
        torchs[operation.name] += theirs or 0
    idle: dict[str, list[str]] = {}
    for row in leaves:
        if row.idle and row.counts.learnt:
            idle.setdefault(row.idle, []).append(row.name)
    notes = [*run.notes]
    notes += [f"{why.capitalize()}, counted among the parameters: {', '.join(names)}." for why, names in idle.items()]
    notes += _frozen(run.module)
    return Cost(
        name=target.name,
        target=target,
        inputs=inputs,
        rows=rows,
        counts=sum((row.counts for row in leaves), Counts()),
        macs=ours.total(),
        complete=not any(row.unknown for row in leaves),
        torch_macs=torchs.total(),
        differing={key: (ours[key], torchs[key]) for key in ours if ours[key] != torchs[key]},
        elements=sum(row.elements for row in leaves),
        bytes=sum(row.bytes for row in leaves),
        input_elements=sum(value.elements for value in found.inputs),
        input_bytes=sum(value.bytes for value in found.inputs),
        unbiased=_unbiased(found),
        extent=fields.extent if fields else (),
        lost=tuple(sorted(fields.lost)) if fields else (),
        notes=tuple(notes),
    )


def _frozen(module: Any) -> list[str]:
    """What is counted among the parameters, but not learnt as the module stands."""
    frozen = {name: p.numel() for name, p in module.named_parameters() if not p.requires_grad and p.numel()}
    if not frozen:
        return []
    names = list(dict.fromkeys(name.rpartition(".")[0] or name for name in frozen))
    text = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return [f"Frozen, counted among the parameters: {sum(frozen.values()):,} elements, of {text}."]


def _unbiased(found: Record) -> int:
    """Outputs of the convolutions without bias, each weight once."""
    weights = {}
    for operation in found.root.operations():
        if operation.name == "convolution" and operation.args[2] is None:
            weights[operation.args[1].number] = operation.outputs[0].shape[1]
    return sum(weights.values())
