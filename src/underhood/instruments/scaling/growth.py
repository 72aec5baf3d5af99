"""The batch grown until memory ends, as a sheet asks for: 32, 128, 512 … on one worker.

What a step takes is predicted on the meta device (instruments/memory), so that finding the end costs nothing. The
largest batch that fits is then trained in a process of its own, and so is the next one, which has to fail: both are
held to the ceiling by the system (RLIMIT_DATA), so that neither takes this process, or another, with it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from underhood.errors import BadInput, UnderhoodError
from underhood.instruments.inputs import Inputs, Spec
from underhood.instruments.memory import memory
from underhood.instruments.memory.peak import measured_peak
from underhood.instruments.scaling.result import Grown
from underhood.sizes import megabytes

MOST = 24  # batches


def grown(
    network: str,
    arguments: Mapping[str, Any],
    shape: tuple[int, ...],
    optimizer: str,
    first: int,
    factor: int,
    ceiling: int,
    device: str = "cpu",
    say: Callable[[str], None] = lambda text: None,
) -> tuple[Grown, ...]:
    """`first`, `first`·`factor`, … up to the first batch that does not fit `ceiling` bytes, the last two tried out."""
    found: list[Grown] = []
    batch = first
    while len(found) < MOST:
        where = "cuda" if device == "cuda" else "cpu"
        step = memory(network, (batch, *shape), arguments=arguments, optimizer=optimizer, where=where).steps[0]
        found.append(Grown(batch, step.predicted, step.predicted <= ceiling))
        if not found[-1].fits:
            break
        batch *= factor
    tried = found[-2:] if len(found) > 1 else found
    for each in tried:
        say(f"batch {each.batch}: predicted {megabytes(each.predicted)} of {megabytes(ceiling)}; tried in a process")
    return (
        *found[: -len(tried)],
        *(_tried(each, network, arguments, shape, optimizer, ceiling, device) for each in tried),
    )


def _tried(
    given: Grown,
    network: str,
    arguments: Mapping[str, Any],
    shape: tuple[int, ...],
    optimizer: str,
    ceiling: int,
    device: str,
) -> Grown:
    inputs = Inputs((Spec((given.batch, *shape)),))
    try:
        peak = measured_peak(network, arguments, inputs, optimizer, device=device, ceiling=ceiling)
    except BadInput as error:
        return Grown(given.batch, given.predicted, given.fits, None, _gist(error))
    return Grown(given.batch, given.predicted, given.fits, peak)


def _gist(error: UnderhoodError) -> str:
    """Why a step in a process of its own failed, without what was said around it."""
    text = str(error).rpartition("failed: ")[2]
    short = "not enough memory" if "allocate" in text or "memory" in text.lower() else text
    return short[:120]
