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
from dataclasses import dataclass, field, replace
from typing import Any

from underhood.errors import BadInput, nearest
from underhood.instruments import receptive_field
from underhood.instruments.cost_tables import arithmetic_table, layer_table, totals_table
from underhood.instruments.inputs import Inputs, as_inputs, make
from underhood.instruments.layers import Counts, Layer, layers
from underhood.instruments.products import product_of, torch_macs
from underhood.instruments.pytorch import load_torch
from underhood.instruments.record import PassError, Record, record
from underhood.instruments.replica import replica
from underhood.instruments.target import Target, resolve
from underhood.tables import Table

SCHEMA = "underhood.cost/1"
CONVENTIONS = ("parameters", "weights", "buffers")


@dataclass(frozen=True, repr=False)
class Cost:
    """What was found. `rows` are all layers, groups before their parts; the numbers of the whole stand apart.

    `torch_macs` is the total by torch's own formulas (FlopCounterMode's, halved); `differing` the operations
    that the two count differently, as name: (ours, torch's). `unbiased` are the biases that convolutions
    before a BatchNorm go without. `notes` say what was unusual about the pass.
    """

    name: str
    target: Target
    inputs: Inputs
    rows: list[Layer]
    counts: Counts
    macs: int
    complete: bool
    torch_macs: int
    differing: dict[str, tuple[int, int]]
    elements: int
    bytes: int
    input_elements: int
    input_bytes: int
    unbiased: int = 0
    extent: tuple[int, ...] = ()
    lost: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    convention: str = "parameters"
    training: bool = False
    depth: int | None = None

    @property
    def parameters(self) -> int:
        """By the chosen convention; every number that is learnt unless told otherwise."""
        return self.counts.by(self.convention)

    @property
    def leaves(self) -> list[Layer]:
        """The rows that are no groups: their sums are the totals."""
        return [row for row in self.rows if not row.group]

    def __getitem__(self, name: str) -> Layer:
        """The row of that name: a module's path, or function's."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"{self.name} has no layer {name!r}: {nearest(name, [row.name for row in self.rows])}")

    def __repr__(self) -> str:
        return f"<cost of {self.name}: {self.parameters:,} {self.convention}, {self.macs:,} MACs>"

    def without(self) -> Counter[str]:
        """How often operations without dot products ran, by name: they are left out of the multiply–adds."""
        return Counter(name for row in self.leaves for name in row.without)

    def unknown(self) -> dict[str, list[str]]:
        """Operations that could not be counted, and the layers that ran them."""
        found: dict[str, list[str]] = {}
        for row in self.leaves:
            for name in row.unknown:
                found.setdefault(name, []).append(row.name)
        return found

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

    def figure(self) -> Any:
        """Multiply–adds and parameters of every layer, as shares of the whole."""
        from underhood.instruments.cost_tables import share_figure

        return share_figure(self)

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.tables()))

    def _repr_html_(self) -> str:
        return "".join(table._repr_html_() for table in self.tables())

    def to_markdown(self) -> str:
        return "\n\n".join(table.to_markdown() for table in self.tables())

    def to_csv(self) -> str:
        """The layers; groups too, marked, so that their sums are not summed again."""
        return self.layers.to_csv()

    def to_html(self) -> str:
        """A page of its own: the tables and the chart."""
        from underhood.instruments.page import page

        return page(f"What {self.name} costs", [self.totals, self.figure(), self.layers, self.arithmetic])

    def to_json(self) -> dict[str, Any]:
        from underhood.instruments.cost_tables import as_json

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
        module, found, notes = _pass(target, inputs, training)
    return replace(_read(target, inputs, module, found, notes), convention=convention, training=training, depth=depth)


@dataclass
class _Attempt:
    """Building and running, first on meta and then, where that won't do, on real tensors."""

    target: Target
    inputs: Inputs
    training: bool
    notes: list[str] = field(default_factory=list)

    def build(self, meta: bool) -> Any:
        torch = load_torch()
        if self.target.built is not None:
            return self.target.built
        if not meta:
            return self.target.build(torch.nn)
        try:
            with torch.device("meta"):
                return self.target.build(torch.nn)
        except Exception as error:
            self.notes.append(f"Built with real tensors: on meta its constructor raised {_short(error)}.")
            return self.target.build(torch.nn)

    def run(self, module: Any, meta: bool) -> tuple[Any, Record]:
        other = replica(module, meta).train(self.training)
        device = "meta" if meta else next((p.device for p in other.parameters()), "cpu")
        positional, named = make(self.inputs, _dtype(other), device)
        return other, record(other, positional, named)


def _pass(target: Target, inputs: Inputs, training: bool) -> tuple[Any, Record, list[str]]:
    attempt = _Attempt(target, inputs, training)
    module = _built(attempt, meta=True)
    try:
        return *attempt.run(module, meta=True), attempt.notes
    except PassError as error:
        if isinstance(error.error, BadInput):
            raise BadInput(f"{target.name}: {error.path}: {error.error}") from error
        reason = error
    module = _built(attempt, meta=False)
    try:
        with _plain_kernels():
            found = attempt.run(module, meta=False)
    except PassError as error:
        raise BadInput(f"{target.name}, input {inputs}: {error}") from error
    attempt.notes.append(f"Run on real tensors, random input: on meta {reason.path} raised {_short(reason.error)}.")
    return *found, attempt.notes


def _built(attempt: _Attempt, meta: bool) -> Any:
    torch = load_torch()
    try:
        module = attempt.build(meta)
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(f"{attempt.target.name} could not be built: {type(error).__name__}: {error}") from error
    if not isinstance(module, torch.nn.Module):
        raise BadInput(f"{attempt.target.name} gave a {type(module).__name__}, not a torch.nn.Module")
    return module


def _plain_kernels() -> Any:
    """On real tensors: attention, LSTM and encoders as the products they are made of, not as one fused kernel."""
    from contextlib import ExitStack

    torch = load_torch()
    stack = ExitStack()
    # not backends.mkldnn.flags, which warns of Intel's GPUs on every machine without one
    stack.callback(torch._C._set_mkldnn_enabled, torch._C._get_mkldnn_enabled())
    torch._C._set_mkldnn_enabled(False)
    stack.enter_context(torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH))
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
    return stack


def _dtype(module: Any) -> Any:
    torch = load_torch()
    return next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)


def _short(error: BaseException) -> str:
    text = str(error).strip().split("\n")[0]
    return f"{type(error).__name__}" + (f' ("{text[:90]}…")' if len(text) > 90 else f' ("{text}")' if text else "")


def _read(target: Target, inputs: Inputs, module: Any, found: Record, notes: list[str]) -> Cost:
    fields = receptive_field.follow(found)
    rows = layers(found, fields, module)
    leaves = [row for row in rows if not row.group]
    ours: Counter[str] = Counter()
    torchs: Counter[str] = Counter()
    for operation in found.root.operations():
        product, theirs = product_of(operation), torch_macs(operation)
        ours[operation.name] += product.macs if product else 0
        torchs[operation.name] += theirs or 0
    idle = [row.name for row in leaves if row.texts.get("macs") == "did not run in this pass"]
    if idle:
        notes = [*notes, f"Did not run in this pass, counted among the parameters: {', '.join(idle)}."]
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


def _unbiased(found: Record) -> int:
    """Outputs of the convolutions without bias, each weight once."""
    weights = {}
    for operation in found.root.operations():
        if operation.name == "convolution" and operation.args[2] is None:
            weights[operation.args[1].number] = operation.outputs[0].shape[1]
    return sum(weights.values())
