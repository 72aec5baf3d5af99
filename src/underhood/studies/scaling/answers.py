"""The written answers of the sheet on data parallelism, each from the numbers and no further than they show."""

from collections.abc import Iterator
from typing import Any

from underhood.instruments.scaling import words
from underhood.instruments.scaling.model import Model
from underhood.instruments.scaling.result import Cell, ScalingResult, Speed
from underhood.instruments.scaling.tables import cells


def answer(found: ScalingResult) -> str:
    """The question's answer: speed-ups with their batch, communication, and what limits."""
    speeds = [speed for count in found.devices if count > 1 for speed in _weak(found, count)]
    if not speeds:
        return "Only one worker was measured: there is no speed-up to tell."
    said = []
    for count in (count for count in found.devices if count > 1):
        of = _weak(found, count)
        best = max(of, key=lambda speed: speed.speedup)
        crowded = ", oversubscribed" if found.oversubscribed(count) else ""
        said.append(f"**{best.speedup:.2f} times** as fast with {count} workers at batch {best.batch} each{crowded}")
    several = [cell for cell in cells(found, several=True) if not found.oversubscribed(cell.devices)]
    text = f"Beside one worker, {found.name} trains {_joined(said)}."
    if several:
        most = max(several, key=_fraction)
        noise = max(most.step.spread, -min(map(_fraction, several)))  # a step can't be quicker for communicating
        if _fraction(most) > noise:
            text += (
                f" Communication weighs most at batch {most.batch} with {most.devices} workers: "
                f"{_fraction(most):.0%} of a step."
            )
        else:
            text += " What communication takes of a step does not show above the spread of the steps' times."
    return " ".join([text, *words.unsettled(found), *words.oversubscription(found)])


def headline(found: ScalingResult) -> dict[str, Any]:
    return {
        f"speed-up, {speed.devices} workers, batch {speed.batch}": speed.speedup
        for count in found.devices
        if count > 1
        for speed in _weak(found, count)
    }


def one_worker(found: ScalingResult) -> Iterator[str]:
    """The first question: an epoch on one worker by its batch."""
    of = [cell for cell in cells(found) if cell.devices == 1]
    if len(of) > 1:
        times = [found.epoch(cell, cell.without_loading) for cell in of]
        yield (
            f"On one worker an epoch without data I/O takes {_each(of, times)}: with the smallest batch "
            f"{times[0] / times[-1]:.2f} times as long as with the largest."
        )
    yield from _memory_s_end(found)


def _memory_s_end(found: ScalingResult) -> Iterator[str]:
    """Where memory ends for one worker, predicted and tried: the last two batches were."""
    fits, over = ([each for each in found.growth if each.fits is there] for there in (True, False))
    if fits and fits[-1].measured:
        peak = f"{fits[-1].measured / 1e6:,.0f} MB"
        yield f"Memory lets one worker go up to batch {fits[-1].batch} of those tried, which trained with {peak}."
    elif fits:
        yield (
            f"Batch {fits[-1].batch} is predicted to fit; tried in a process of its own, it ended with: {fits[-1].why}."
        )
    if over and over[0].measured:
        yield f"Batch {over[0].batch} is predicted not to fit, yet it trained."
    elif over:
        yield (
            f"Batch {over[0].batch} is predicted not to fit: tried in a process of its own, it ended with: "
            f"{over[0].why}."
        )


def which_scaling(found: ScalingResult) -> list[str]:
    return words.which_scaling(found)


def told_apart(found: ScalingResult) -> Iterator[str]:
    """How computation and communication were told apart, and how far the ways agree."""
    yield (
        "Three ways. The difference: rounds of steps with synchronisation and without it (DDP.no_sync) take turns, and "
        "what the first take longer is communication that the step waited for. The sheet's hint: one worker's step at "
        "the same batch is the computation, the rest communication. DDP's own clocks: from the first bucket of "
        "gradients that is sent until the last has come back, beside backward or not."
    )
    for cell in cells(found, several=True):
        yield words.told_apart(cell)


def bandwidth(found: ScalingResult) -> Iterator[str]:
    """What the all-reduce makes of the link."""
    for group in found.workers:
        if group.link is None or not group.cells:
            continue
        size = group.cells[-1].gradient_bytes
        alone, formula = group.measured(size), group.ring(size)
        if alone is None or formula is None:
            continue
        bus = group.bus(size, alone.median)
        yield (
            f"{group.devices} workers: {size / 1e6:,.3f} MB of gradients take {alone.median * 1e3:,.3f} ms alone, "
            f"{alone.median / formula:.2f} times the formula's {formula * 1e3:,.3f} ms; bus bandwidth {bus / 1e9:.3f} "
            f"GB/s, {bus / group.link.one_way:.0%} of the {group.link.one_way / 1e9:.3f} GB/s that pass one way."
        )


def prediction(found: ScalingResult, model: Model) -> Iterator[str]:
    """What the model says of more workers, and how far it was off here."""
    batch = found.batches[-1]
    far = model.weak(batch, 1024)
    yield (
        f"From one worker's step ({model.alone(batch) * 1e3:.4g} ms at batch {batch}), the measured link and the ring "
        f"formula, 1,024 workers with a processor each would train {far.speedup:,.0f} times as fast as one "
        f"({far.efficiency:.0%} efficiency) at that batch each."
    )
    for count in (2, 4):
        measured = found.weak(count, batch)
        if measured is None:
            continue
        here = model.weak(batch, count, found.crowding(count))
        crowded = ", their shared processors counted" if found.oversubscribed(count) else ""
        yield (
            f"Checked with {count} workers{crowded}: predicted {here.speedup:.2f}, measured {measured.speedup:.2f} "
            f"({here.speedup / measured.speedup - 1:+.0%})."
        )


def conditions(found: ScalingResult, gpus: int, torch: str) -> Iterator[str]:
    """Where and how; what was not there."""
    yield from words.conditions(found)
    yield from words.unsettled(found)
    yield from words.oversubscription(found)
    if found.device != "cuda":
        seen = f"{gpus} GPU{'s' * (gpus != 1)}" if gpus else "no GPU"
        yield (
            f"PyTorch {torch} sees {seen} here: there is no GPU column, nor the sheet's DataParallel, which needs "
            "several in one process."
        )
    yield from words.plain_and_ddp(found)
    yield (
        "Assumed: batches are made by each worker itself, not by two loader processes, and are timed as data I/O; an "
        "epoch leaves out the images that do not fill a batch."
    )


def _weak(found: ScalingResult, count: int) -> list[Speed]:
    return [speed for batch in found.batches if (speed := found.weak(count, batch))]


def _fraction(cell: Cell) -> float:
    return cell.difference / cell.step.median


def _each(of: list[Cell], times: list[float]) -> str:
    return _joined([f"{time:,.1f} s at batch {cell.batch}" for cell, time in zip(of, times, strict=True)])


def _joined(words_: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words_[:-1]), words_[-1]]))
