"""A run's report: what its study tells of the results and how it was run, written as pages."""

import dataclasses
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from underhood.errors import BadInput, UnderhoodError, nearest
from underhood.lab.files import replace
from underhood.lab.results import Run
from underhood.lab.study import Study
from underhood.report import failures, several
from underhood.report.document import Document
from underhood.report.facts import Facts
from underhood.studies import find, in_file, line_in, names
from underhood.studies.learning import standard

FORMATS = ("html", "md", "pdf")


def study_of(run: Run) -> Study:
    """The study that a run is of: one that ships, or the one in the user's file."""
    file = run.facts["file"]
    return in_file(Path(file), run.study) if file else find(run.study)


def can_be_reported(run: Run) -> bool:
    """Whether there is an answer to tell: the run came to its end, and a trial of it finished."""
    return run.state != "stopped" and any(trial.state == "finished" for trial in run.trials)


def document_of(run: Run, study: Study | None = None) -> Document:
    """What the study tells of the run's results; the standard report where it has none of its own.

    A mistake in the report of a user's study is a BadInput that names its line; the results stay as they are.
    """
    study = study or study_of(run)
    file = study.file
    is_standard = study.report is None
    if is_standard:
        study = dataclasses.replace(study, report=partial(standard.report, study), diverged=True)
    try:
        document = several.document_of(study, run.results, failed=is_standard)
        return dataclasses.replace(document, sections=[*document.sections, *failures.sections(run.results)])
    except UnderhoodError:
        raise
    except Exception as error:
        if file is None:
            raise
        line = line_in(error, file)
        where = f"{file}:{line}" if line else f"{file}"
        raise BadInput(f"{where}: {type(error).__name__}: {error}.\n{_afterwards(run)}") from error


def _afterwards(run: Run) -> str:
    return f"The results are kept; once that is mended, `underhood report {run.path}` writes the report."


def facts_of(run: Run, study: Study | None = None) -> Facts:
    """How the run was run, and what a reader must know before believing a number of it."""
    study = study or study_of(run)
    scale = study.scales.get(run.scale)
    return Facts.of(run, complete=scale is not None and scale.complete, timed=study.timed)


def write_report(
    run: Run,
    formats: Sequence[str] = ("html", "md"),
    *,
    folder: Path | None = None,
    document: Document | None = None,
    study: Study | None = None,
) -> list[Path]:
    """Write `report.html`, `report.md` with its figures, or `report.pdf` into the run's folder, or another."""
    for name in formats:
        if name not in FORMATS:
            raise BadInput(f'--format: unknown "{name}"; {nearest(name, list(FORMATS))}')
    _check_finished(run)
    folder = folder or run.path
    folder.mkdir(parents=True, exist_ok=True)
    document = document or document_of(run)
    try:
        return list(_written(formats, document, facts_of(run, study), folder))
    except OSError as error:
        error.filename = error.filename or str(folder)  # an error of a file that is open names none
        raise


def write_result(run: Run, folder: Path) -> list[Path]:
    """Write the run's short page into a folder of results, and its rows into the list of that folder."""
    from underhood.report import results

    _check_finished(run)
    return results.write_result(document_of(run), facts_of(run), folder, names())


def _check_finished(run: Run) -> None:
    if not any(trial.state == "finished" for trial in run.trials):
        raise BadInput(f"{run.path}: no trial of it has finished; nothing can be reported. To go on:\n  {run.command}")


def _written(formats: Sequence[str], document: Document, facts: Facts, folder: Path) -> Iterator[Path]:
    if "html" in formats:
        from underhood.report.html import render_html

        page = folder / "report.html"
        replace(page, render_html(document, facts).encode())
        yield page
    if "md" in formats:
        from underhood.report.markdown import write_markdown

        yield write_markdown(document, facts, folder)
    if "pdf" in formats:
        from underhood.report.pdf import write_pdf

        yield write_pdf(document, facts, folder / "report.pdf")
