"""A run whose trials train networks of the user's own, from Python files (training/own_network.py).

before anything starts    each network is built and asked once: check
when the run begins       its file, with what it imports from beside it, is copied: RUN/networks/<hash>/nets.py
when a trial begins       the file as it was planned is taken, so editing it meanwhile disturbs no trial: look_in
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

import underhood.python_files as python_files
from underhood.errors import BadInput
from underhood.lab.trial import TrialSpec
from underhood.settings import Mistakes
from underhood.training import own_network
from underhood.training.own_network import DIGEST, FILE, is_as_it_was
from underhood.training.settings import TrainingSettings

FOLDER = "networks"


def own(specs: Sequence[TrialSpec]) -> Iterator[tuple[TrialSpec, TrainingSettings]]:
    """Those trials that train a network in a file, with their settings."""
    for spec in specs:
        if _has_own(spec.settings):
            yield spec, spec.settings


def _has_own(settings: Any) -> TypeGuard[TrainingSettings]:
    return isinstance(settings, TrainingSettings) and settings.network.own


def check(specs: Sequence[TrialSpec], data: Path | None) -> list[str]:
    """Build each network once and ask it for the logits of its data. Mistakes where one cannot be trained.

    Gives the remarks on what can be trained, but hardly is what was meant.
    """
    first = {spec.group: settings for spec, settings in own(specs)}
    mistakes, remarks = [], []
    for settings in first.values():
        from underhood.training.learner import try_out

        try:
            remarks.append(try_out(settings, data))
        except BadInput as error:
            mistakes.append(f"network.name: {error}")
    if mistakes:
        raise Mistakes(mistakes)
    return list(filter(None, dict.fromkeys(remarks)))


def keep(specs: Sequence[TrialSpec], run: Path) -> None:
    """Copy the files into the run's folder, as they are now."""
    for network in (settings.network.model_dump() for _, settings in own(specs)):
        own_file, folder = Path(network[FILE]), _folder(run, network)
        if not is_as_it_was(folder / own_file.name, network[DIGEST]):
            python_files.copy(own_file, folder)


def kept_in(run: Path, spec: TrialSpec) -> list[Path]:
    """The files of the run's copy of a trial's network; none of a trial that has no network in a file."""
    if not _has_own(spec.settings):
        return []
    return [path for path in _folder(run, spec.settings.network.model_dump()).rglob("*") if path.is_file()]


def find(spec: TrialSpec) -> None:
    """BadInput where a trial's network is in a file that is not here as it was planned."""
    if _has_own(spec.settings):
        own_network.where(spec.settings.network.model_dump())


def look_in(run: Path) -> None:
    """Take networks' files from what this run keeps, from now on, where they are not as they were planned."""
    own_network.look_in(run / FOLDER)


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
    return own_network.kept(run / FOLDER, str(known[DIGEST]))
