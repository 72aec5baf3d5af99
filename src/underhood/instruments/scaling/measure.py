"""What more workers bring a network's training: measured on this machine or on several hosts, and predicted past them.

    >>> from underhood.instruments.scaling import scaling
    >>> found = scaling("simple-nn", batch=[32, 128], devices=[1, 2])       # doctest: +SKIP
    >>> found.weak(2, 128).speedup                                          # doctest: +SKIP
    1.71

Batches are those of a worker, as on the sheet; strong scaling is measured beside it, with the same batches shared.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from underhood.errors import BadInput, MissingPiece
from underhood.instruments.inputs import Spec, as_inputs
from underhood.instruments.page import Presented, page
from underhood.instruments.pytorch import load_torch
from underhood.instruments.scaling import tables, words
from underhood.instruments.scaling.growth import grown
from underhood.instruments.scaling.launch import Hosts, free_port, run
from underhood.instruments.scaling.model import Model
from underhood.instruments.scaling.result import Link, ScalingResult, Workers
from underhood.instruments.target import resolve
from underhood.sizes import parse_size
from underhood.tables import Table

if TYPE_CHECKING:
    from underhood.figures import Figure

SCHEMA = "underhood.scaling/1"
SGD = "sgd,lr=0.1,momentum=0.9,weight_decay=5e-4"
IMAGES = 50_000  # of an epoch, where no data set says how many
FACTOR = 4  # the sheet's: 32, 128, 512
PATIENCE = 3600.0  # seconds for one number of workers


class Scaling(ScalingResult, Presented):
    """What was found, and how it looks."""

    def tables(self) -> list[Table]:
        return tables.all_tables(self, self.model())

    def model(self, link: Link | None = None) -> Model | None:
        """What predicts more workers: from this machine's link, or another one."""
        return Model.of(self, link)

    def figure(self) -> "Figure | None":
        """Speed-up measured and predicted."""
        return tables.speedup_figure(self, self.model())

    def words(self) -> list[str]:
        return words.reading(self)

    def to_csv(self) -> str:
        return tables.long_table(self).to_csv()

    def to_html(self) -> str:
        figure = self.figure()
        return page(f"How the training of {self.name} scales", [*self.tables(), *([figure] if figure else [])])

    def to_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA, **self.stored(), "tables": [table.to_json() for table in self.tables()]}


def scaling(
    network: str,
    input: Any = None,  # noqa: A002 (what every user calls it)
    *,
    arguments: Mapping[str, Any] | None = None,
    batch: int | Sequence[int] = (32, 128),
    devices: int | Sequence[int] = (1, 2),
    hosts: Sequence[str] = (),
    via: str | None = None,
    data: str | None = None,
    root: Path | None = None,
    optimizer: str = SGD,
    steps: int = 5,
    rounds: int = 5,
    warmup: int = 3,
    epochs: int = 0,
    threads: int = 1,
    device: str = "cpu",
    fit: int | str | None = None,
    strong: bool = True,
    say: Callable[[str], None] = lambda text: None,
    stopping: Callable[[], bool] = lambda: False,
) -> Scaling:
    """Time training steps of a network, given as a text, on several numbers of workers; `batch` is each worker's.

    `data` names a set whose images are read, augmented and scaled as it trains; without, batches are random numbers.
    The short form takes `rounds` of `steps` steps each way after `warmup` steps; `epochs` = 2 is the sheet's
    protocol: whole epochs, of which the second counts. `fit` is a ceiling ("4GB", or "all" that is free here, or on the
    GPU) up to which the batch is grown fourfold. `hosts` are other machines, reached by `via` (launch.py). `device` is
    "cpu", where workers exchange gradients over gloo and compute with `threads` threads each, or "cuda", over nccl.
    `strong` also measures the batches shared among the workers. `stopping` is asked several times a second:
    StoppedError when it says so.

    Raises BadInput for what cannot be measured, MissingPiece where there are no GPUs to measure.
    """
    torch = load_torch("scaling")
    batches, counts = (tuple(sorted({each} if isinstance(each, int) else set(each))) for each in (batch, devices))
    _check(batches, counts, epochs, steps, rounds, warmup, threads)
    gpus = torch.cuda.device_count() if device == "cuda" else 0
    _check_device(torch, device, gpus, counts, hosts)
    shape = _shape(network, input, arguments or {})
    images = _images(data, root)
    task: dict[str, Any] = {"network": network, "arguments": dict(arguments or {}), "shape": list(shape)}
    task |= {"data": data, "root": root and str(root), "optimizer": optimizer, "device": device, "threads": threads}
    task |= {"warmup": warmup, "rounds": rounds, "steps": steps, "data_parallel": 0}
    reached = Hosts.of(list(hosts), via) if hosts else None
    workers = []
    for count in counts:
        wanted = _wanted(batches, counts, count, strong)
        say(f"{count} worker{'s' * (count != 1)}: batches {', '.join(map(str, wanted))}")
        found = [_measured(task, each, count, epochs, images, reached, stopping) for each in _split(wanted, epochs)]
        if device == "cuda" and 1 < count <= gpus:
            found[0]["cells"] = _with_data_parallel(task, found[0]["cells"], batches, count, reached)
        found[0]["cells"] = [cell for each in found for cell in each["cells"]]
        workers.append(Workers.of(found[0]))
    ceiling = _ceiling(torch, fit, device)
    growth = (
        grown(network, arguments or {}, shape, optimizer, batches[0], FACTOR, ceiling, device, say) if ceiling else ()
    )
    names = tuple(reached.names[i][0] for i in range(len(reached.names))) if reached else ()
    return Scaling(
        resolve(network, arguments).name,
        batches,
        counts,
        device,
        _cores(),
        threads,
        images,
        data,
        optimizer,
        epochs,
        names,
        tuple(workers),
        ceiling,
        growth,
        gpus,
    )


def _check(batches: Sequence[int], counts: Sequence[int], *numbers: int) -> None:
    for name, values in (("--batch", batches), ("--devices", counts)):
        if not values or min(values) < 1:
            raise BadInput(f"{name} {','.join(map(str, values)) or '(none)'}: at least 1")
    epochs, steps, rounds, warmup, threads = numbers
    if epochs not in (0, 2):
        raise BadInput(f"--epochs {epochs}: 2 is the protocol (the second is measured), 0 the short form on steps")
    if min(steps, rounds, warmup, threads) < 1:
        raise BadInput("--steps, --rounds, --warmup, --threads: at least 1")


def _check_device(torch: Any, device: str, gpus: int, counts: Sequence[int], hosts: Sequence[str]) -> None:
    if device not in ("cpu", "cuda"):
        raise BadInput(f'--device: unknown "{device}"; there is cpu, cuda')
    if device == "cuda" and not gpus:
        raise MissingPiece(f"--device cuda: PyTorch {torch.__version__} sees no GPU here; leave it at cpu")
    if device == "cuda" and max(counts) > gpus * max(1, len(hosts)):
        raise BadInput(f"--devices {max(counts)}: PyTorch sees {gpus} GPU{'s' * (gpus != 1)}, and nccl takes one each")


def _shape(network: str, given: Any, arguments: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape of one image."""
    target = resolve(network, arguments)
    specs = as_inputs(given, target.input).positional
    if len(specs) != 1 or not isinstance(specs[0], Spec):
        raise BadInput("scaling takes a network of one input tensor: --input N,C,H,W")
    return tuple(specs[0].shape[1:])


def _ceiling(torch: Any, fit: int | str | None, device: str) -> int | None:
    """Bytes that one worker may take."""
    if fit is None:
        return None
    if fit != "all":
        return parse_size(fit)
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    import psutil

    return int(psutil.virtual_memory().available)


def _images(data: str | None, root: Path | None) -> int:
    if data is None:
        return IMAGES
    from underhood.data import load

    return len(load(data, root).train)


def _wanted(batches: Sequence[int], counts: Sequence[int], count: int, strong: bool) -> list[int]:
    """The batches a worker to measure with `count` workers; one worker alone also takes the pieces of the others."""
    shared = [count] if count > 1 else counts
    pieces = {batch // k for batch in batches for k in shared if batch % k == 0} if strong else set()
    return sorted({*batches, *pieces})


def _split(wanted: list[int], epochs: int) -> list[list[int]]:
    """Batches that one start of the workers measures: an epoch has its own number of steps for each."""
    return [[batch] for batch in wanted] if epochs else [wanted]


def _measured(
    task: dict[str, Any],
    batches: list[int],
    count: int,
    epochs: int,
    images: int,
    hosts: Hosts | None,
    stopping: Callable[[], bool],
) -> dict[str, Any]:
    task = task | {"batches": batches}
    if epochs:
        whole = max(1, images // count // batches[0])
        task |= {"warmup": whole, "rounds": 1, "steps": whole}
    if hosts is not None:
        hosts = Hosts(hosts.names, hosts.via, free_port())
    return run(task, count, hosts, PATIENCE * (24 if epochs else 1), stopping)


def _with_data_parallel(
    task: dict[str, Any], cells: list[dict[str, Any]], batches: Sequence[int], count: int, hosts: Hosts | None
) -> list[dict[str, Any]]:
    """The cells with torch.nn.DataParallel's step beside DDP's: one process, which splits the batch over its GPUs."""
    alone = run(task | {"batches": [count * b for b in batches], "data_parallel": count}, 1, hosts, PATIENCE)
    found = {cell["batch"] // count: cell for cell in alone["cells"]}
    for cell in cells:
        if other := found.get(cell["batch"]):
            cell["ways"] |= other["ways"]
            cell["parts"] |= other["parts"]
    return cells


def _cores() -> int:
    """Processors that this process may use."""
    import os
    import sys

    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
