"""The files of a hand-in: three, all of them or none, and never over a file that is not an export's own.

A script ends with the checksums of the files that were written with it, and of itself, so that the next export into
the same folder knows which of the files there are its own and unchanged.
"""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from underhood import __version__
from underhood.errors import BadInput, missing_extra
from underhood.handin import cifar, mnist
from underhood.handin.problem import Problem, Values
from underhood.lab.results import Run, StoredTrial
from underhood.lab.study import Study
from underhood.service.reporting import document_of, facts_of, study_of
from underhood.settings import load

PROBLEMS = {problem.study: problem for problem in (mnist.ENTRY, cifar.ENTRY)}
MARK = "\n\n# As they were written (SHA-256; of this file what stands above), for the next export into this folder:\n"


def check(study: Study, scale: str, settings: Sequence[Values], folder: Path) -> Problem:
    """Which problem's hand-in it is; BadInput or MissingPiece where it could not be written into `folder`."""
    problem = PROBLEMS.get(study.name) if study.file is None else None
    if problem is None:
        there_is = ", ".join(f"{each.study} ({each.name})" for each in PROBLEMS.values())
        raise BadInput(f"--export: {study.name} is handed in nowhere; there is {there_is}")
    if len(settings) > 1:
        raise BadInput(f"--export: a hand-in is of one setting, and here are {len(settings)}; leave --grid out")
    if said := problem.cannot(settings[0], load(study.settings, base=study.base).model_dump(mode="json")):
        words = " ".join(filter(None, (f"underhood run {study.name} --scale {scale}", problem.words)))
        raise BadInput(f"--export: {said}. Type\n  {words} --export {folder}")
    for module in problem.needs:
        if find_spec(module) is None:
            raise missing_extra(module, "A hand-in")
    _free(folder, problem)
    return problem


def hand_in(run: Run, folder: str | Path) -> list[Path]:
    """Write the hand-in of a run's first seed into `folder`, and give the paths of its files.

    Raises BadInput where the study is handed in nowhere, the run isn't finished, its first trial diverged, its settings
    are not those of the sheet's script, or the folder cannot be written to or holds files of the same names that no
    export wrote. Nothing is written then.
    """
    folder, study = Path(folder), study_of(run)
    problem = check(study, run.scale, [group.settings for group in run.results.groups], folder)
    trial = _first(run)
    with tempfile.TemporaryDirectory() as made:
        script, model, report = (Path(made) / name for name in problem.files)
        problem.write_model(trial.artefact(problem.trained), model)
        _write_report(run, study, problem, trial, report)
        said = (
            f"Written by underhood {__version__} with the settings of its run {run.name}.\n"
            f"{problem.model} is the network of seed {trial.seed}: {_error(trial)}."
        )
        text = _marked(problem.text(trial.settings, trial.seed, said), script.name, [model, report])
        script.write_text(text, encoding="utf-8")
        return _placed([model, report, script], folder)


def _first(run: Run) -> StoredTrial:
    """The trial whose network is handed in: the first seed's, for to take the best would be to choose by the test."""
    finished = sum(trial.state == "finished" for trial in run.trials)
    if finished < len(run.trials):
        done = f"{finished} of {len(run.trials)} trials are"
        raise BadInput(f"--export: {run.name} isn't finished: {done}. To go on:\n  {run.command}")
    trial = run.trials[0]
    if trial.diverged:
        raise BadInput(f"--export: seed {trial.seed} of {run.name} diverged, so there is no network to hand in")
    return trial


def _error(trial: StoredTrial) -> str:
    tested = trial.settings["data"]["test"]
    of = f"{tested:,} of the test images" if tested else "the test images"
    return f"{100 * trial.result['test_error']:.2f} % of {of} misread"


def _write_report(run: Run, study: Study, problem: Problem, trial: StoredTrial, path: Path) -> None:
    from underhood.report.pdf import write_pdf

    document = document_of(run, study)
    said = f"`{problem.model}` is the network of seed {trial.seed}: **{_error(trial)}**."
    write_pdf(replace(document, answer=f"{document.answer}\n\n{said}"), facts_of(run, study), path)


# -- the folder --


def _free(folder: Path, problem: Problem) -> None:
    """Raise BadInput unless the three files can be written there."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise BadInput(f"--export {folder}: {existing} is a file, not a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise BadInput(f"--export {folder}: {existing} may not be written to")
    own = _own(folder, problem)
    if others := [name for name in problem.files if (folder / name).exists() and name not in own]:
        it = "it" if len(others) == 1 else "them"
        raise BadInput(
            f"--export {folder}: holds {', '.join(others)} already, and not as an export wrote {it}; "
            f"move {it}, or name another folder"
        )


def _own(folder: Path, problem: Problem) -> set[str]:
    """The files in the folder that an export wrote, and nobody changed since."""
    script = folder / problem.files[0]
    if not script.is_file():
        return set()
    text, _, below = script.read_text(encoding="utf-8", errors="replace").rpartition(MARK)
    pairs = [line.removeprefix("# ").split("  ") for line in below.splitlines()]
    written = {pair[1]: pair[0] for pair in pairs if len(pair) == 2}
    now = {name: _sum((folder / name).read_bytes()) for name in problem.files[1:] if (folder / name).is_file()}
    if below == _lines(written):
        now[script.name] = _sum(text.encode())
    return {name for name, known in now.items() if written.get(name) == known}


def _marked(text: str, script: str, others: Sequence[Path]) -> str:
    """The script with the checksums below it."""
    sums = {script: _sum(text.encode())} | {path.name: _sum(path.read_bytes()) for path in others}
    return text + MARK + _lines(sums)


def _lines(sums: Mapping[str, str]) -> str:
    return "".join(f"# {known}  {name}\n" for name, known in sums.items())


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _placed(files: Sequence[Path], folder: Path) -> list[Path]:
    """Copies of the files in the folder, each whole or not there."""
    written = [folder / f".{path.name}.{os.getpid()}.tmp" for path in files]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, copy in zip(files, written, strict=True):
            shutil.copyfile(path, copy)
        for path, copy in zip(files, written, strict=True):
            copy.replace(folder / path.name)
    except OSError as error:
        for copy in written:
            with suppress(OSError):
                copy.unlink()
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise BadInput(f"--export {folder}: {error.strerror}") from error
    return sorted(folder / path.name for path in files)
