"""What the measurements say, in sentences: each follows from the numbers, and is left out where they do not show it."""

from collections.abc import Sequence

from underhood.instruments.scaling.result import APART, TOGETHER, Cell, ScalingResult, Speed

WIDE = 0.2  # quartiles so far apart, as a fraction of the median, tell of something else's work
ABOVE = 0.03  # efficiencies above 1 by more than luck in two medians


def reading(found: ScalingResult) -> list[str]:
    """The notes below the tables."""
    return [*conditions(found), *unsettled(found), *oversubscription(found), *plain_and_ddp(found)]


def conditions(found: ScalingResult) -> list[str]:
    """Where and how it was measured."""
    if found.device == "cuda":
        place = f"on {found.gpus} GPU{'s' * (found.gpus != 1)}, one a worker; gradients over nccl"
    else:
        place = f"without a GPU, on {found.cores} processor{'s' * (found.cores != 1)}, "
        place += f"{found.threads} thread{'s' * (found.threads != 1)} a worker; gradients over gloo"
    if found.hosts:
        place += f"; hosts {', '.join(found.hosts)}"
    batches = f"Images of {found.data}, made by each worker between its steps" if found.data else "Random batches"
    if found.epochs:
        protocol = "two epochs of whole batches, the second timed"
    else:
        steps = found.workers[0].cells[0].steps
        protocol = (
            f"{steps} steps each way, in rounds that take turns; an epoch is {found.images:,} images at their median"
        )
    return [f"Measured {place}.", f"{batches}; {protocol}; optimiser {found.optimizer}."]


def oversubscription(found: ScalingResult) -> list[str]:
    """The numbers of workers that had to share processors."""
    crowded = [count for count in found.devices if found.oversubscribed(count)]
    if not crowded:
        return []
    what = "GPUs" if found.device == "cuda" else "processors"
    return [
        f"{_list(crowded)} workers are oversubscribed: they share the {what} of this machine, so that their times tell "
        "of sharing, not of scaling."
    ]


def unsettled(found: ScalingResult) -> list[str]:
    """What shows that the machine had other work: quartiles far apart, or more speed-up than there are workers."""
    cells = [cell for group in found.workers for cell in group.cells if cell.batch in found.batches]
    wide = [cell for cell in cells if cell.step.spread > WIDE]
    speeds = [found.weak(cell.devices, cell.batch) for cell in cells if not found.oversubscribed(cell.devices)]
    above = [speed for speed in speeds if speed and speed.efficiency > 1 + ABOVE]
    said = []
    if wide:
        said.append(f"the quartiles of {_each(wide)} are more than {WIDE:.0%} of their median apart")
    if above:
        said.append(f"{_each(above)} came out more than as many times as fast as one")
    if not said:
        return []
    return [f"Not settled: {'; '.join(said)}. Other work on the machine does that: measure again when it is quiet."]


def _each(cells: Sequence[Cell | Speed]) -> str:
    return ", ".join(f"{one.devices} worker{'s' * (one.devices != 1)} at batch {one.batch}" for one in cells)


def plain_and_ddp(found: ScalingResult) -> list[str]:
    """What DDP costs a worker that is alone."""
    one = found.group(1)
    cells = [cell for cell in one.cells if cell.batch in found.batches] if one else []
    return [
        f"Batch {cell.batch} on one worker: {cell.step.median * 1e3:.4g} ms a step without DDP, "
        f"{cell.ways[TOGETHER].median / cell.step.median:.2f} times that with it."
        for cell in cells
    ]


def told_apart(cell: Cell) -> str:
    """How a cell's communication was found, with its numbers."""
    words = (
        f"{cell.devices} workers, batch {cell.batch}: a step takes {_ms(cell.ways[TOGETHER].median)} with "
        f"synchronisation and {_ms(cell.ways[APART].median)} without (DDP.no_sync), so that communication costs it "
        f"{_ms(cell.difference)}"
    )
    words += " (less than nothing: it is lost in the spread)" * (cell.difference < 0)
    if cell.ddp is None:
        return f"{words}."
    return (
        f"{words}. DDP's own clocks saw all-reduces under way for {_ms(cell.ddp.communication)}, "
        f"{_ms(cell.ddp.overlap)} of it beside backward."
    )


def which_scaling(found: ScalingResult) -> list[str]:
    """Which scaling the first table measures, and whether the other looks better, from its numbers."""
    words = [
        "The batch of each worker stays the same while their number grows, so that Table 1 measures weak scaling: "
        "with more workers an epoch has fewer steps, and is shorter unless each takes as many times longer."
    ]
    pairs = [
        (weak, strong)
        for count in found.devices
        for batch in found.batches
        if count > 1 and (weak := found.weak(count, batch)) and (strong := found.strong(count, batch))
    ]
    if not pairs:
        return [*words, "Strong scaling was not measured."]
    worse = [strong for weak, strong in pairs if strong.speedup < weak.speedup]
    which = "worse in every case" if len(worse) == len(pairs) else f"worse in {len(worse)} of {len(pairs)} cases"
    which = "better in every case" if not worse else which
    numbers = "; ".join(
        f"{weak.devices} workers, batch {weak.batch}: {weak.speedup:.2f} weak, {strong.speedup:.2f} strong"
        for weak, strong in pairs
    )
    why = (
        " Shared, each worker computes less beside the same gradients' exchange, which weighs more then."
        if len(worse) > len(pairs) / 2
        else ""
    )
    return [*words, f"Measured as strong scaling, with the batch shared, the speed-up is {which} ({numbers}).{why}"]


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.4g} ms"


def _list(numbers: list[int]) -> str:
    return " and ".join(filter(None, [", ".join(map(str, numbers[:-1])), str(numbers[-1])]))
