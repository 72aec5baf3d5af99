"""`--fit 1GB`: the coordinator takes, for each setting, the smallest change that fits by its predicted peak.

    1  nothing
    2  evaluate in batches no larger than a step's       equal but for the last digits of a mean
    3  take a step's batch in 2, 4, 8 … passes           equal but for rounding; BatchNorm sees one pass at a time
    4  SGD in place of an optimiser that keeps state     not equal: another training

Each goes on top of those before it. What is chosen becomes settings of the trial, and so part of its id; it is kept
with the run, so that the command given again goes on with the same trials. Where nothing fits, all peaks are said.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from underhood.errors import BadInput
from underhood.lab import footprint
from underhood.lab.files import read_json, write_json
from underhood.lab.store import RunFolder
from underhood.lab.trial import TrialSpec
from underhood.sizes import megabytes, size_text
from underhood.training.settings import OptimizerSettings, TrainingSettings

FILE = "fitted.json"  # beside run.json


@dataclass(frozen=True)
class Candidate:
    """Settings to change, and what they do to the numbers."""

    name: str
    changes: dict[str, Any]
    equal: str


def candidates(settings: TrainingSettings) -> Iterator[Candidate]:
    """The changes in their order, each with those before it."""
    yield Candidate("as it is", {}, "the same numbers")
    changes: dict[str, Any] = {}
    equal = "equal but for rounding"
    if settings.evaluation_batch > settings.batch_size:
        changes = {"evaluation_batch": settings.batch_size}
        yield Candidate(f"evaluation_batch = {settings.batch_size}", changes, equal)
    passes = 2 * settings.accumulate
    while passes <= settings.batch_size:
        size = -(-settings.batch_size // passes)
        changes = changes | {"accumulate": passes, "evaluation_batch": min(settings.evaluation_batch, size)}
        words = f"{equal}; BatchNorm, if there is one, sees {size} images at a time"
        yield Candidate(f"accumulate = {passes}, evaluation_batch = {changes['evaluation_batch']}", changes, words)
        passes *= 2
    if settings.optimizer.name != "sgd" or settings.optimizer.arguments:
        plain = OptimizerSettings.model_validate({"name": "sgd", "lr": settings.optimizer.lr})
        named = ", ".join(f"{key} = {value}" for key, value in changes.items())
        name = ", ".join(filter(None, [named, "optimizer = sgd without momentum"]))
        yield Candidate(name, changes | {"optimizer": plain}, "not equal: another training; choose its rate anew")


def fitted(
    specs: list[TrialSpec], limit: int, folder: RunFolder, data: Path | None, say: Callable[[str], None]
) -> list[TrialSpec]:
    """The trials with what fits `limit` bytes in their settings. BadInput where no network is trained, or none fits."""
    if not any(isinstance(spec.settings, TrainingSettings) for spec in specs):
        raise BadInput("--fit changes how a network is trained; this study trains none by the training loop")
    path = folder.path / FILE
    known: dict[str, str] = read_json(path)["chosen"] if path.exists() else {}
    chosen: dict[str, Candidate] = {}
    found = []
    for spec in specs:
        settings = spec.settings
        if isinstance(settings, TrainingSettings):
            if spec.group not in chosen:
                chosen[spec.group] = _chosen(spec, settings, limit, known.get(f"{spec.group} {limit}"), data, say)
            spec = replace(spec, settings=settings.model_copy(update=chosen[spec.group].changes))
        found.append(spec)
    write_json(path, {"chosen": known | {f"{group} {limit}": each.name for group, each in chosen.items()}})
    return list({spec.id: spec for spec in found}.values())


def _chosen(
    spec: TrialSpec,
    settings: TrainingSettings,
    limit: int,
    known: str | None,
    data: Path | None,
    say: Callable[[str], None],
) -> Candidate:
    """The candidate that was chosen before, else the first whose predicted peak is within the limit."""
    peaks = []
    for each in candidates(settings):
        if each.name == known:
            return each
        if known is not None:
            continue
        peak = footprint.predicted(replace(spec, settings=settings.model_copy(update=each.changes)), data)
        assert peak is not None
        peaks.append(f"{each.name}: {megabytes(peak.least)}")
        if peak.least <= limit:
            say(f"--fit {size_text(limit)} chose {each.name} ({each.equal}). Predicted peaks: {'; '.join(peaks)}")
            return each
    raise BadInput(f"--fit {size_text(limit)}: nothing fits. Predicted peaks: {'; '.join(peaks)}")
