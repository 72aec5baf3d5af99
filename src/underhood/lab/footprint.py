"""What a trial's process will take, predicted before it starts: a limit that cannot work is refused with this.

    predicted = the runtime, measured on a tiny trial, + the trial's own peak (training/footprint.py)

Both are worked out in processes of their own (footprint_child.py), which leave the coordinator as light as it was;
on the engine they also compile what is not in the cache, so that the compiler's memory is not the trial's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from underhood.errors import BadInput, UnderhoodError
from underhood.lab.child import ChildDiedError, ask
from underhood.lab.trial import TrialSpec
from underhood.sizes import megabytes, size_text
from underhood.training.settings import TrainingSettings

HOLES = 0.6  # as a fraction of `least`: residual networks come to 0.5 (benchmarks/memory_prediction.py)
CHILD = ["-P", "-m", "underhood.lab.footprint_child"]


@dataclass(frozen=True)
class Predicted:
    """Bytes of a trial's process. `least` is what it takes where large blocks are mapped apart, `heap` with the holes
    that the C library's heap keeps otherwise, as they are estimated, and `most` with as many as it may well keep, 0
    where nobody asked.
    """

    least: int
    heap: int
    most: int = 0


def predicted(spec: TrialSpec, data: Path | None) -> Predicted | None:
    """The peak of a training; None of a trial that is no training. BadInput where it can't be predicted."""
    settings = spec.settings
    if not isinstance(settings, TrainingSettings):
        return None
    key = (spec.group, data)
    if key not in _peaks:
        _peaks[key] = _predicted(spec, settings, data)
    return _peaks[key]


def _predicted(spec: TrialSpec, settings: TrainingSettings, data: Path | None) -> Predicted:
    own = _child({"tiny": False, "spec": spec.to_json(), "data": data and str(data)}, spec.threads)
    runtime = _runtime(spec, settings)
    most = max(own["heap"], round((1 + HOLES) * own["least"]))
    return Predicted(runtime + own["least"], runtime + own["heap"], runtime + most)


def _runtime(spec: TrialSpec, settings: TrainingSettings) -> int:
    """The peak of the process of a tiny training, measured once for what a study imports and how it trains."""
    key = (spec.function, spec.file, settings.backend, settings.activation_checkpointing, spec.threads)
    if key not in _runtimes:
        task = {"tiny": True, "spec": spec.to_json()}
        if settings.backend == "underhood":
            _child(task, spec.threads)  # compiles what is not in the cache
        _runtimes[key] = int(_child(task, spec.threads)["peak"])
    return _runtimes[key]


_runtimes: dict[Any, int] = {}
_peaks: dict[Any, Predicted] = {}  # of settings that were asked before


def held_trials(
    specs: list[TrialSpec],
    limit_of: Callable[[TrialSpec], int | None],
    data: Path | None,
    say: Callable[[str], None],
    every: bool = False,
) -> dict[str, Predicted]:
    """The prediction of each trial that has a limit, or of `every` one, by its id. BadInput where a limit cannot work.

    Seeds take the same, so that one of each setting is asked. What can't be predicted is said, and held all the same.
    """
    found: dict[str, Predicted | None] = {}
    refused = []
    for spec in specs:
        limit = limit_of(spec)
        if limit is None and not every:
            continue
        if spec.group not in found:
            try:
                found[spec.group] = predicted(spec, data)
            except BadInput as error:
                found[spec.group] = None
                bounds = "" if limit is None else f"is held to {size_text(limit)}, but "
                say(f"the memory of trial {spec.id} {bounds}is not predicted: {error}")
        peak = found[spec.group]
        if peak is not None and limit is not None and peak.least > limit:
            refused.append(
                f"trial {spec.id} is predicted to take {megabytes(peak.least)} at the least, its memory limit is "
                f"{size_text(limit)}. Take a batch in several passes (accumulate), evaluate fewer (evaluation_batch)"
            )
    if refused:
        raise BadInput("\n".join(dict.fromkeys(refused)))
    return {spec.id: peak for spec in specs if (peak := found.get(spec.group)) is not None}


def _child(task: dict[str, Any], threads: int) -> dict[str, Any]:
    """Whatever is wrong there is a prediction that can't be made."""
    try:
        return ask(CHILD, task, threads, quiet=True)
    except UnderhoodError as error:
        raise BadInput(str(error)) from error
    except ChildDiedError as died:
        raise BadInput(f"the process that predicts it died: {died}") from None
