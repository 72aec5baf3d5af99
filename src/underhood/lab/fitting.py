"""`--fit 1GB`: the coordinator takes, for each setting, the smallest change that fits by its predicted peak.

Which changes there are, and in which order, is told in instruments/memory/smallest.py; `underhood memory NET --fit`
goes by the same. What is chosen becomes settings of the trial, and so part of its id; it is kept with the run, so that
the command given again goes on with the same trials. Where nothing fits, all peaks are said.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from underhood.errors import BadInput
from underhood.instruments.memory.smallest import (
    CHECKPOINTING,
    IN_PLACE,
    NOT_ON_THE_ENGINE,
    Change,
    Search,
    in_passes,
    leaner_optimizer,
    passes,
)
from underhood.lab import footprint
from underhood.lab.files import read_json, write_json
from underhood.lab.store import RunFolder
from underhood.lab.trial import TrialSpec
from underhood.sizes import size_text
from underhood.training.settings import TrainingSettings

FILE = "fitted.json"  # beside run.json


def changes(settings: TrainingSettings) -> tuple[list[Change], list[Change], Change | None]:
    """What may be changed: what leaves a step's numbers alone, passes, and the optimiser if it keeps state."""
    on_torch = [] if settings.backend == "underhood" else [IN_PLACE, CHECKPOINTING]
    free = [change for change in on_torch if not getattr(settings, next(iter(change.settings)))]
    if settings.compile and CHECKPOINTING in free:
        free.remove(CHECKPOINTING)
    evaluated, batch = settings.evaluation_batch, settings.batch_size
    if evaluated > batch:
        said = "the same training, evaluated to the last digits of a mean"
        free.insert(1 if IN_PLACE in free else 0, Change({"evaluation_batch": batch}, said))
    parted = [
        in_passes(count, images, evaluation_batch=min(evaluated, images))
        for count, images in passes(batch, settings.accumulate)
    ]
    chosen = settings.optimizer
    plain = type(chosen).model_validate({"name": "sgd", "lr": chosen.lr, "momentum": 0.0})
    return free, parted, None if chosen == plain else leaner_optimizer(plain)


def fitted(
    specs: list[TrialSpec], limit: int, folder: RunFolder, data: Path | None, say: Callable[[str], None]
) -> list[TrialSpec]:
    """The trials with what fits `limit` bytes in their settings. BadInput where no network is trained, or none fits."""
    if not any(isinstance(spec.settings, TrainingSettings) for spec in specs):
        raise BadInput("--fit changes how a network is trained; this study trains none by the training loop")
    path = folder.path / FILE
    known: dict[str, dict[str, Any]] = read_json(path)["chosen"] if path.exists() else {}
    found = []
    for spec in specs:
        settings = spec.settings
        if isinstance(settings, TrainingSettings):
            key = f"{spec.group} {limit}"
            if not isinstance(known.get(key), dict):
                known[key] = _chosen(spec, settings, limit, data, say)
            whole = settings.model_dump(mode="json") | known[key]
            spec = replace(spec, settings=type(settings).model_validate(whole))
        found.append(spec)
    write_json(path, {"chosen": known})
    return list({spec.id: spec for spec in found}.values())


def _chosen(
    spec: TrialSpec, settings: TrainingSettings, limit: int, data: Path | None, say: Callable[[str], None]
) -> dict[str, Any]:
    """The settings of the first candidate whose predicted peak is within the limit, as JSON has them."""

    def peak_of(changed: dict[str, Any]) -> int:
        peak = footprint.predicted(replace(spec, settings=settings.model_copy(update=changed)), data)
        assert peak is not None
        return peak.least

    search = Search(limit, peak_of)
    chosen = search.run(*changes(settings))
    left_out = f". {NOT_ON_THE_ENGINE}" if settings.backend == "underhood" else ""
    if chosen is None:
        raise BadInput(f"--fit {size_text(limit)}: nothing fits. Predicted peaks: {search.peaks}{left_out}")
    say(f"--fit {size_text(limit)} chose {chosen.name} ({chosen.numbers}). Predicted peaks: {search.peaks}{left_out}")
    return settings.model_copy(update=chosen.settings).model_dump(mode="json", include=set(chosen.settings))
