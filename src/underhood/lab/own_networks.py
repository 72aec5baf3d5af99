"""A run whose trials train networks of the user's own, from Python files (training/own_network.py).

before anything starts    each network is built and asked once: check
when the run begins       its file, with what it imports from beside it, is copied: RUN/networks/<hash>/nets.py
when a trial begins       the file as it was planned is taken, so editing it meanwhile disturbs no trial: at_hand
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

import underhood.python_files as python_files
from underhood.errors import BadInput
from underhood.lab.trial import TrialSpec
from underhood.settings import Mistakes, Settings
from underhood.training.own_network import DIGEST, FILE, is_as_it_was, where
from underhood.training.settings import TrainingSettings

FOLDER = "networks"


def own(specs: Sequence[TrialSpec]) -> Iterator[tuple[TrialSpec, TrainingSettings]]:
    """Those trials that train a network in a file, with their settings."""
    for spec in specs:
        if _has_own(spec.settings):
            yield spec, spec.settings


def _has_own(settings: Any) -> TypeGuard[TrainingSettings]:
    return isinstance(settings, TrainingSettings) and settings.network.own


def check(specs: Sequence[TrialSpec], data: Path | None) -> None:
    """Build each network once and ask it for the logits of its data. Mistakes where one cannot be trained."""
    first = {spec.group: settings for spec, settings in own(specs)}
    mistakes = []
    for settings in first.values():
        from underhood.training.learner import try_out

        try:
            try_out(settings, data)
        except BadInput as error:
            mistakes.append(f"network.name: {error}")
    if mistakes:
        raise Mistakes(mistakes)


def keep(specs: Sequence[TrialSpec], run: Path) -> None:
    """Copy the files into the run's folder, as they are now."""
    for network in (settings.network.model_dump() for _, settings in own(specs)):
        own_file, folder = Path(network[FILE]), _folder(run, network)
        if not is_as_it_was(folder / own_file.name, network[DIGEST]):
            python_files.copy(own_file, folder)


def kept_in(run: Path, spec: TrialSpec) -> Path | None:
    """The folder with the run's copy of a trial's network; None of a trial that has none in a file."""
    return _folder(run, spec.settings.network.model_dump()) if _has_own(spec.settings) else None


def at_hand(settings: Settings, run: Path) -> Settings:
    """The settings of a trial with its network's file where it is as it was planned: the run's copy, if need be."""
    if not _has_own(settings):
        return settings
    network = settings.network.model_dump()
    path = where(network, _folder(run, network))
    return settings.model_copy(update={"network": settings.network.model_copy(update={FILE: str(path)})})


def changed(specs: Sequence[TrialSpec], before: Mapping[str, Any] | None) -> list[str]:
    """What to say of trials that the run had before of the same file with another content."""
    networks = [settings.network.model_dump() for _, settings in own(specs)]
    now = {str(network[FILE]): network[DIGEST] for network in networks}
    then: Counter[str] = Counter()
    for stored in (before or {}).get("trials", {}).values():
        network = stored["settings"].get("network")
        file = str(network.get(FILE)) if isinstance(network, Mapping) else ""
        then[file] += file in now and network[DIGEST] != now[file]
    return [
        f"{file} has changed since {count} trial{'s' * (count != 1)} of this run: trained again as other trials; "
        "what the old one gave stays on disk"
        for file, count in then.items()
        if count
    ]


def _folder(run: Path, known: Mapping[str, Any]) -> Path:
    return run / FOLDER / str(known[DIGEST])[:12]
