"""The report of a study that has none of its own: who comes first, curves, every number with its interval.

The settings are ranked by the first of RANKED that the results have: by validation where images were held out, for
choices are made by these. A value whose name does not say which way is better ranks nothing. Trials that diverged or
failed are in no mean, and are listed.
"""

from collections.abc import Iterator

from underhood.figures import Figure, lines
from underhood.figures.charts import FAINT
from underhood.lab import Group, Results, StoredTrial, Study, Summary
from underhood.lab.comparing.kinds import kind_of, words
from underhood.lab.comparing.pairs import Difference, paired
from underhood.report.document import Block, Document, Section
from underhood.studies.learning.results import COLUMNS, estimate, loss_and_error, of_seeds
from underhood.studies.learning.sweeps import against
from underhood.tables import Column, Table

RANKED = (
    "best_validation_error", "validation_error", "validation_loss", "validation_accuracy",
    "test_error", "test_accuracy", "test_loss", "error", "accuracy", "loss",
)  # fmt: skip
NO_CURVE = {"epoch", "seconds", "images_per_second"}  # what stands beside a curve, not on it
SHOWN = 8  # curves beyond that many are named, not drawn
DRAWN = 20  # settings whose curves are drawn at most; those of the others need not be read


def report(study: Study, results: Results) -> Document:
    """The leaderboard with its verdict, the curves, all numbers of the results, what diverged or failed."""
    metric = _ranked_by(results)
    ranked = _order(results, metric)
    sections = [
        Section("Who comes first", [_leaderboard(ranked, metric), *_about(metric, results)]),
        Section("Against the settings", [*_swept(results, metric)]),
        Section("Curves", list(_curves(ranked))),
        Section("Every number", [_numbers(ranked)]),
        Section("Trials that diverged or failed", [_lost(results)]),
    ]
    answer = "\n\n".join(_answer(ranked, metric))
    return Document(study.title, study.question, answer, [each for each in sections if any(each.blocks)])


def _names(results: Results) -> list[str]:
    """The names of the results' numbers, in the order of the results."""
    return list(dict.fromkeys(name for trial in results.trials for name in trial.numbers))


def _ranked_by(results: Results) -> str:
    """The value that ranks: one of RANKED, else the first whose name ends like one of them; "" where none does."""
    names = [name for name in _names(results) if any(group.summary(name) for group in results.groups)]
    known = [name for name in RANKED if name in names]
    ends = [name for name in names if name.endswith(("error", "loss", "accuracy"))]
    return next(iter([*known, *ends]), "")


def _larger_is_better(metric: str) -> bool:
    return kind_of(metric).better == "higher"


def _order(results: Results, metric: str) -> Results:
    """The groups with the best first; those without a number last, in the order of the plan."""

    def place(group: Group) -> tuple[bool, float]:
        found = group.summary(metric)
        return (found is None, 0.0 if found is None else -found.mean if _larger_is_better(metric) else found.mean)

    return Results(tuple(sorted(results.groups, key=place)) if metric else results.groups)


def _leaderboard(results: Results, metric: str) -> Table:
    rows = [
        {
            "rank": i if group.summary(metric) is not None else None,
            "setting": group.label,
            "value": group.summary(metric) or _without(group),
            "n": len(group.counted),
            "diverged": sum(trial.diverged for trial in group.trials),
            "failed": sum(trial.state == "failed" for trial in group.trials),
        }
        for i, group in enumerate(results.groups, 1)
    ]
    columns = [Column("setting", "Setting", align="left")]
    if metric:
        columns = [Column("rank", "Rank"), *columns, _column(metric, "value")]
    else:
        rows = [{key: value for key, value in row.items() if key not in ("rank", "value")} for row in rows]
    columns += [Column("n", "Seeds that count"), Column("diverged", "Diverged"), Column("failed", "Failed")]
    return Table("The settings, best first" if metric else "The settings", columns, rows, name="leaderboard")


def _without(group: Group) -> str | None:
    """Why a setting has no number, in a word; None where another trial of it may yet have one."""
    ends = {"diverged" if trial.diverged else trial.state for trial in group.trials}
    return " or ".join(sorted(ends)) if ends <= {"diverged", "failed"} else None


def _column(metric: str, name: str) -> Column:
    known = COLUMNS.get(metric, Column(metric, words(metric).capitalize(), format=".2%" * _is_fraction(metric)))
    return Column(name, known.title, known.unit, known.format, help=known.help)


def _is_fraction(metric: str) -> bool:
    return metric.endswith(("_error", "_accuracy")) and metric.startswith(("best_", "validation_", "test_", "train_"))


def _about(metric: str, results: Results) -> Iterator[str]:
    if not metric:
        yield "None of the results' names says which way is better (…error, …loss, …accuracy): nothing is ranked."
        return
    way = "largest" if _larger_is_better(metric) else "smallest"
    yield f"Ranked by the mean of `{metric}` over the seeds, the {way} first, with its 95 % interval."
    if metric.startswith("test_") and len(results.groups) > 1:
        yield (
            "No validation images were held out, so what is ranked here is ranked by the test images. To choose by "
            "it, hold some out: `--set data.validation=0.2`."
        )


def _swept(results: Results, metric: str) -> list[Figure]:
    """The ranking value against what varies, where that is an axis of numbers or a grid of two."""
    if not metric:
        return []
    larger, fraction = _larger_is_better(metric), _is_fraction(metric)
    return against(results, metric, words(metric).capitalize(), larger=larger, fraction=fraction)


def _answer(results: Results, metric: str) -> Iterator[str]:
    first, *others = results.groups
    best = first.summary(metric)
    if best is None:
        yield f"{len(results.groups)} settings ran; what they found stands below, unranked."
        return
    if not others:
        yield f"The {words(metric)} is **{_value(metric, best)}** over {best.n} seed{'s' * (best.n != 1)}."
        return
    yield f"**{first.label}** comes first, with a {words(metric)} of {_value(metric, best)} over {best.n} seeds."
    second = others[0]
    found = second.summary(metric)
    if found is None:
        yield "No other setting has a number to set beside it."
        return
    yield f"{second.label} follows with {_value(metric, found)}. {_verdict(second, first, metric)}"


def _verdict(second: Group, first: Group, metric: str) -> str:
    """Whether the seeds tell two apart, seed by seed."""
    pairs = list(paired(first, second, metric).values())
    if len(pairs) < 2:
        return "One seed in common cannot say whether that difference is more than luck; `--seeds 5` can."
    found = Difference.of(metric, kind_of(metric), pairs)
    apart, unit = found.summary, 100 if _is_fraction(metric) else 1
    if found.coincides and not found.decided:
        points = f"{unit * apart.mean:+.3g}{' points' * (unit == 100)}"
        return f"The difference is {points} for each of {apart.n} seeds, too few for that to be more than luck."
    mean, low, high = (f"{unit * (end or 0.0):+.3g}" for end in (apart.mean, apart.low, apart.high))
    said = f"{mean} [{low}, {high}]{' points' * (unit == 100)}"
    if not found.decided:
        return f"Seed by seed the difference is {said}: over these {apart.n} they are **not told apart**."
    return f"Seed by seed the difference is {said}, more than the luck of these {apart.n} seeds."


def _value(metric: str, found: Summary) -> str:
    if _is_fraction(metric):
        return estimate(found)
    return f"{found.mean:.4g}" if found.low is None else f"{found.mean:.4g} [{found.low:.4g}, {found.high:.4g}]"


def _curves(ranked: Results) -> Iterator[Block]:
    """Loss and errors of a training against epochs; of any other trial each metric against its steps."""
    results, said = _drawn(ranked)
    trials = [trial for group in results.groups for trial in group.counted]
    names = list(dict.fromkeys(key for trial in trials for line in trial.metrics for key in line if key != "step"))
    if "epoch_loss" in names and all({"epochs", "steps"} <= trial.result.keys() for trial in trials):
        held_out = "validation" if "validation_loss" in names else "test"
        said = f"Training: an epoch's batches as they came.{said}"
        yield from loss_and_error(results, held_out, said)
        return
    wanted = [name for name in names if name not in NO_CURVE]
    for name in wanted[:SHOWN]:
        yield _curve(results, name, said)
    if wanted[SHOWN:]:
        yield f"Measured too, and not drawn: {', '.join(wanted[SHOWN:])}."


def _drawn(ranked: Results) -> tuple[Results, str]:
    """Some of many settings, from the first to the last, and a sentence on which."""
    there = [group for group in ranked.groups if group.counted]
    if len(there) <= DRAWN:
        return ranked, ""
    some = [there[round(i * (len(there) - 1) / (DRAWN - 1))] for i in range(DRAWN)]
    said = f" Of {len(there):,} settings {DRAWN} are drawn, evenly from the first to the last of the table above."
    return Results(tuple(some)), said


def _curve(results: Results, name: str, said: str) -> Figure:
    found = {group.label: curve for group in results.groups if (curve := group.curve(name))}
    few = sum(curve.n for curve in found.values()) <= FAINT
    return lines(
        words(name).capitalize(),
        [row for label, curve in found.items() for row in curve.rows(curve=label)],
        x="step",
        y="mean",
        series="curve",
        band=("low", "high"),
        faint=[row for label, curve in found.items() for row in curve.seed_rows(curve=label) if few],
        caption=of_seeds(curve.n for curve in found.values()) + said,
        x_title="step",
        y_title=words(name),
        name=name,
    )


def _numbers(results: Results) -> Table:
    names = [name for name in _names(results) if any(group.summary(name) for group in results.groups)]
    rows = [
        {"setting": group.label, **{f"v{i}": _alike(group.summary(name)) for i, name in enumerate(names)}}
        for group in results.groups
    ]
    columns = [Column("setting", "Setting", align="left"), *(_column(name, f"v{i}") for i, name in enumerate(names))]
    return Table("After the last step", columns, rows, name="results")


def _alike(found: Summary | None) -> Summary | float | None:
    """A number over the seeds; one that all have alike, as a count of steps, is no estimate."""
    return found.mean if found is not None and found.n > 1 and len(set(found.values)) == 1 else found


def _lost(results: Results) -> Table | str:
    rows = [{"setting": g.label, "seed": t.seed, "what": _what(t)} for g in results.groups for t in g.trials]
    rows = [row for row in rows if row["what"]]
    columns = [
        Column("setting", "Setting", align="left"),
        Column("seed", "Seed"),
        Column("what", "What became of it", align="left"),
    ]
    return Table("In no mean", columns, rows, name="lost") if rows else ""


def _what(trial: StoredTrial) -> str:
    if trial.diverged:
        return "diverged"
    return f"{trial.state}: {trial.reason}" if trial.state == "failed" else ""
