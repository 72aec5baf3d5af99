"""How long a network takes: every layer, forward and backward, alone on the input that it has in the network.

    >>> from underhood.instruments.profile import profile
    >>> found = profile("listing1", batch=32, threads=1)        # doctest: +SKIP
    >>> found.runs[0]["0"].forward.median                       # doctest: +SKIP
    0.000385

One pass of a copy records what each layer is called with; then each is called alone, again and again, in turns
with the others and with the whole network, until its median is known. Beside the times stand the FLOP/s and
bytes/s that they mean, against the roofline of this machine, measured in the same run.
"""

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from underhood.errors import BadInput, MissingPiece, nearest
from underhood.instruments.inputs import Inputs, as_inputs, batch_size, with_batch
from underhood.instruments.page import Presented, page
from underhood.instruments.profile import tables
from underhood.instruments.profile.result import Conditions, ProfileResult, Run
from underhood.instruments.profile.roofline import measure_roofline
from underhood.instruments.pytorch import load_torch
from underhood.instruments.stopwatch import Rule
from underhood.instruments.target import Target, resolve
from underhood.instruments.threads import threads as using_threads
from underhood.tables import Table

if TYPE_CHECKING:
    from underhood.figures import Figure

SCHEMA = "underhood.profile/1"
BACKENDS = ("torch", "underhood", "both")
FORMATS = ("contiguous", "channels_last")
CLOCKS = ("wall", "processor")
PRECISIONS = ("float32", "float64", "bfloat16", "float16")


class Profile(ProfileResult, Presented):
    """What was measured, and how it looks."""

    def tables(self) -> list[Table]:
        """The layers of each batch, batches side by side, sums beside the wholes."""
        batches = list(dict.fromkeys(run.batch for run in self.runs))
        found = [tables.layer_table(self, batch) for batch in batches]
        if len(batches) > 1:
            found.append(tables.batch_table(self))
        return [*found, tables.whole_table(self)]

    @property
    def layers(self) -> Table:
        """The layers of the first batch."""
        return self.tables()[0]

    def figure(self) -> "Figure":
        """Where the time goes."""
        return tables.time_figure(self)

    def roof_figure(self) -> "Figure":
        """The layers under the roofline."""
        return tables.roof_figure(self)

    def to_csv(self) -> str:
        """A line for every layer of every run, in seconds."""
        return tables.long_table(self).to_csv()

    def to_html(self) -> str:
        return page(f"How long {self.name} takes", [*self.tables(), self.figure(), self.roof_figure()])

    def to_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA, **tables.as_json(self)}


def profile(
    network: Any,
    input: Any = None,  # noqa: A002 (what every user calls it)
    *,
    arguments: Mapping[str, Any] | None = None,
    batch: int | Sequence[int] | None = None,
    backend: str | None = None,
    device: str = "cpu",
    threads: int | None = None,
    dtype: str = "float32",
    memory_format: str = "contiguous",
    training: bool = True,
    clock: str = "wall",
    trace: Path | str | None = None,
    rule: Rule | None = None,
) -> Profile:
    """Time a network: a module of torch's or of our engine, a class, or a text such as "net.py:Network".

    `batch` (one or several) replaces the input's first size. `backend` is "torch", "underhood" or "both", for
    networks of ours; a module is timed on the library that it is made of. `threads` are set for the time of
    the measurement. `clock` "processor" counts processor seconds instead of the wall's: for a machine that others
    use too, with one thread. Without `training` only forward is timed, in evaluation mode and without a graph. `trace`
    is a file for a Chrome trace of one step (torch alone). `rule` says how long to measure.

    The network is left as it was: a copy is run, and the random numbers of the user's are not touched.
    Raises BadInput with the layer where the pass fails, MissingPiece where the device is not there.
    """
    target = _target(network, arguments)
    how = _checked(Conditions(device, dtype, memory_format, training, clock))
    rule = rule or Rule()
    inputs = as_inputs(input, target.input)
    batches = [batch] if isinstance(batch, int) else list(batch or [batch_size(inputs)])
    if threads is not None and threads < 1:
        raise BadInput(f"threads: at least 1, not {threads}")
    measured = []
    with ExitStack() as stack:
        backends = _backends(target, backend)
        if "torch" in backends:
            load_torch("profile")  # before its threads are set
        count = stack.enter_context(using_threads(threads))
        for name in backends:
            for size in batches:
                measured.append(_run(name, target, with_batch(inputs, size), size, how, rule))
        roofline = measure_roofline(how.dtype, how.device, how.timer, max(run.fastest for run in measured))
        notes = _traced(target, with_batch(inputs, batches[0]), how, trace) if trace else ()
    return Profile(target.name, how, count, rule, roofline, measured, notes)


def _run(backend: str, target: Target, inputs: Inputs, batch: int, how: Conditions, rule: Rule) -> Run:
    if backend == "torch":
        from underhood.instruments.profile.on_torch import run
    else:
        from underhood.instruments.profile.on_engine import run
    return run(target, inputs, batch, how, rule)


def _traced(target: Target, inputs: Inputs, how: Conditions, trace: Path | str) -> tuple[str, ...]:
    from underhood.instruments.profile.on_torch import write_trace

    write_trace(target, inputs, how, Path(trace))
    return (f"A trace of one step is in {trace}: open it in chrome://tracing or ui.perfetto.dev.",)


def _target(network: Any, arguments: Mapping[str, Any] | None) -> Target:
    if _is_ours(network):
        return Target(type(network).__name__, lambda _: network, built=network)
    return resolve(network, arguments)


def _backends(target: Target, asked: str | None) -> list[str]:
    """On which libraries to run: what was asked, or the one that the network is made of."""
    if asked is not None and asked not in BACKENDS:
        raise BadInput(f'backend: unknown "{asked}": {nearest(asked, list(BACKENDS))}')
    if target.pages:
        return ["torch", "underhood"] if asked == "both" else [asked or "torch"]
    if target.built is None and asked != "both":
        return [asked or "torch"]
    own = "underhood" if _is_ours(target.built) else "torch"
    if asked not in (None, own):
        raise BadInput(
            f"backend: {target.name} is made of {own}'s modules; {asked} needs a page, a function of `nn` that either "
            "library can build"
        )
    return [own]


def _is_ours(network: Any) -> bool:
    """Whether it is a module of our engine, which then has been loaded."""
    module = sys.modules.get("underhood.engine.nn.module")
    return module is not None and isinstance(network, module.Module)


def _checked(how: Conditions) -> Conditions:
    for name, choices in (("dtype", PRECISIONS), ("memory_format", FORMATS), ("clock", CLOCKS)):
        value = getattr(how, name)
        if value not in choices:
            raise BadInput(f'{name}: unknown "{value}": {nearest(value, list(choices))}')
    if how.device.startswith("cuda"):
        torch = load_torch("profile on a GPU")
        if not torch.cuda.is_available():
            raise MissingPiece(f"device {how.device}: PyTorch {torch.__version__} sees no GPU here")
    elif how.device != "cpu":
        raise BadInput(f'device: unknown "{how.device}": there is cpu, and cuda or cuda:1 where there are GPUs')
    return how
