"""How do the batch size and the number of iterations change the variance and the mean of the training loss?

    L_i = mean loss of the B images of iteration i, before its step      N/B · E iterations in all
    E[L] = mean of L_i      Var[L] = Σ (L_i − E[L])² / (n − 1)            over the n iterations of the last epoch

    underhood run batch-size-vs-epochs
    underhood run batch-size-vs-epochs --set over=all

Experiment 1 keeps 4 epochs, experiment 2 one, so in both a smaller batch also means more iterations: N/B · E. Were the
images of a batch the only noise, and the weights at rest, Var[L] would be σ²/B: half of it for twice the batch.

The sheet fixes neither network nor data, nor over which iterations the two are taken. Assumed: its Listing 1 network
on MNIST, plain SGD at a rate of 0.01, and the iterations of the last epoch; `over` names others, and a table has all.

Source: "Homework 1" of a course on on-edge training, question 4, Table 2.
"""

from collections.abc import Iterator
from math import log, log2
from typing import Any, Literal

import numpy as np

from underhood.figures import Figure, points
from underhood.lab import Group, Results, Scale, Study, Summary
from underhood.report.document import Document, Section
from underhood.studies.learning.results import diverged, listed, of_seeds
from underhood.tables import Column, Table
from underhood.training.learner import NetworkLearner
from underhood.training.loop import train
from underhood.training.pipeline import Parts
from underhood.training.settings import TrainingSettings
from underhood.trials import Context, Event, Result

Array = np.ndarray
Over = Literal["last-epoch", "all", "last-100"]
OVERS: dict[Over, str] = {
    "last-epoch": "the last epoch",
    "all": "all iterations",
    "last-100": "the last 100 iterations",
}
EXPERIMENTS = {4: "1", 1: "2"}  # the sheet's, by their epochs
BATCH = ("it falls as the batch grows", "it **grows** with the batch")
LOSSES = "losses"  # the loss of every iteration so far, among what a checkpoint has

ASSUMED = (
    "The sheet's table is empty, so it has no number to compare with. Assumed, because it does not say: its Listing 1 "
    "network on MNIST, plain SGD at a rate of 0.01 whatever the batch, and the loss of every iteration as its batch "
    "came, before the step. With the epochs kept, batch size and number of iterations change together, so neither "
    "experiment takes them apart; a batch size that stands in both does, with more iterations at more epochs. Var[L] "
    "has in it what the loss falls while it is taken, and its level: a lower loss varies less."
)


class Settings(TrainingSettings):
    """Training settings, and over which iterations the report takes mean and variance."""

    over: Over = "last-epoch"


class Recording(NetworkLearner):
    """A network's training that keeps the loss of every iteration."""

    def __init__(self, settings: TrainingSettings, seed: int, parts: Parts) -> None:
        super().__init__(settings, seed, parts)
        self.losses: list[float] = []

    def step(self, x: Array, t: Array) -> tuple[float, int]:
        loss, errors = super().step(x, t)
        self.losses.append(loss)
        return loss, errors

    def state(self) -> dict[str, Array]:
        return super().state() | {LOSSES: np.array(self.losses)}

    def restore(self, state: dict[str, Array]) -> None:
        self.losses = [float(loss) for loss in state[LOSSES]]
        super().restore({name: values for name, values in state.items() if name != LOSSES})


def trial(settings: Settings, seed: int, context: Context) -> Iterator[Event]:
    """Train, then mean and variance of the loss over each choice of iterations."""
    made: list[Recording] = []

    def learner(*given: Any) -> Recording:
        made.append(Recording(*given))
        return made[-1]

    for event in train(settings, seed, context, learner):
        if isinstance(event, Result) and not event.values["diverged"]:
            yield Result(event.values | _moments(made[0].losses, settings.over, event.values["epochs"]))
        else:
            yield event


def _moments(losses: list[float], chosen: Over, epochs: int) -> dict[str, Any]:
    """Mean and variance over each choice, and, as `mean_loss` and `loss_variance`, over the one that is chosen."""
    found = {over: moments(losses, over, epochs) for over in OVERS}
    mean, variance, _ = found[chosen]
    return {"mean_loss": mean, "loss_variance": variance, "over": found}


def moments(losses: list[float], over: Over, epochs: int) -> tuple[float, float | None, int]:
    """Mean, variance and number of the chosen iterations; one iteration has no variance."""
    counts = {"all": len(losses), "last-epoch": len(losses) // epochs, "last-100": min(100, len(losses))}
    chosen = np.array(losses[-counts[over] :])
    return float(chosen.mean()), float(chosen.var(ddof=1)) if len(chosen) > 1 else None, len(chosen)


def report(results: Results) -> Document:
    """The sheet's table filled in, both plots, and what changes with the batch and with the iterations."""
    return Document(
        title=ENTRY.title,
        question=ENTRY.question,
        answer=_answer(results),
        sections=[
            Section("The sheet's table", [_table(results), _variances(results), _means(results)]),
            Section("Over other iterations", [_others(results)]),
            Section("Assumed", [ASSUMED, *_otherwise(results)]),
        ],
        listed=[
            listed(f"E[L], B = {g.settings['batch_size']}", g, g.summary("mean_loss"), format=".4f")
            for g in results.groups
        ],
    )


def _otherwise(results: Results) -> list[str]:
    """What trainings have in place of what is assumed, as a sentence; nothing where all keep to it."""
    said = []
    for group in results.groups:
        network, data, optimizer = (group.settings.get(key, {}) for key in ("network", "data", "optimizer"))
        if (name := network.get("name", "listing1")) != "listing1":
            said.append(f"the network {name}")
        if (name := data.get("name", "mnist")) != "mnist":
            said.append(f"the data {name}")
        rule = {key: value for key, value in optimizer.items() if value is not None}
        if rule and rule != {"name": "sgd", "lr": 0.01}:
            said.append(", ".join(f"{key} {value}" if key != "name" else str(value) for key, value in rule.items()))
    return [f"In this run otherwise: {'; '.join(dict.fromkeys(said))}."] if said else []


def _experiments(results: Results) -> dict[int, list[Group]]:
    """The groups by their number of epochs."""
    found: dict[int, list[Group]] = {}
    for group in results.groups:
        found.setdefault(int(group.settings["epochs"]), []).append(group)
    return found


def iterations(group: Group) -> int:
    """N/B · E, as they were run."""
    steps = [int(trial.result["steps"]) for trial in group.counted]
    return max(steps, default=0)


# ---- in words


def _answer(results: Results) -> str:
    said = []
    for epochs, groups in _experiments(results).items():
        name = f"With {epochs} epoch{'s' * (epochs != 1)}"
        lost = "".join(f" {g.label}: no seed has a number.{diverged(g)}" for g in groups if not g.counted)
        said.append(f"{name}: {_of_variance(groups)} {_of_mean(groups)}{lost}")
    over = sorted({OVERS[group.settings["over"]] for group in results.groups})
    return "\n\n".join([*said, f"Mean and variance are taken over {' or '.join(over)}."])


def slopes(groups: list[Group], number: Any, x: Any, y: Any) -> Summary | None:
    """The slope of `y(number(result))` against `x(group, result)` over the groups, fitted seed by seed.

    A seed counts that finished in all groups with a number that `y` can take; None without one, or with one group.
    """
    seeds = [{trial.seed: trial.result for trial in group.counted} for group in groups]
    found = []
    for seed in sorted(set(seeds[0]).intersection(*seeds[1:])) if seeds else []:
        at = [x(group, each[seed]) for group, each in zip(groups, seeds, strict=True)]
        values = [number(each[seed]) for each in seeds]
        if len(set(at)) > 1 and all(value is not None and (y is not log or value > 0) for value in values):
            slope = np.polyfit(at, [y(value) for value in values], 1)[0]
            found.append(round(float(slope), 12))  # of equal numbers it is 0, not rounding
    return Summary.of(found) if found else None


def _of_variance(groups: list[Group]) -> str:
    """How the variance goes with the batch: the exponent p of Var[L] ∝ B^p, which is −1 for independent images."""
    found = slopes(groups, lambda result: result.get("loss_variance"), _log_batch, log)
    if found is None:
        return "It takes two batch sizes with a variance to say how it changes."
    ends = _ends(groups, "loss_variance", lambda group: int(group.settings["batch_size"]))
    said = f"fitted, Var[L] goes as {_power(found)}, {ends}; images that are independent would give −1"
    return f"{said}: {_direction(found, *BATCH)}.{_of_the_end(groups)}"


def _of_the_end(groups: list[Group]) -> str:
    """Where the variance is that of a whole training, and so of the fall of its loss: how it goes at the end."""
    if not all(each.settings["over"] == "all" or each.settings["epochs"] == 1 for each in groups):
        return ""
    said = " These iterations are the whole training, so the fall of its loss is in that variance"
    found = slopes(groups, lambda result: result["over"]["last-100"][1], _log_batch, log)
    if found is None or max(map(iterations, groups)) <= 100:  # then the last 100 are the whole training too
        return f"{said}."
    return f"{said}; over the last 100 it goes as {_power(found)}: {_direction(found, *BATCH)}."


def _power(found: Summary) -> str:
    return f"B to the power **{_signed(found, '.2f')}**"


def _log_batch(group: Group, _: Any) -> float:
    return log(group.settings["batch_size"])


def _of_mean(groups: list[Group]) -> str:
    """What a doubling of the iterations changes in the mean loss."""
    found = slopes(groups, lambda result: result.get("mean_loss"), lambda _, result: log2(result["steps"]), float)
    if found is None:
        return "It takes two numbers of iterations to say what they do to E[L]."
    ends = _ends(groups, "mean_loss", iterations)
    said = f"Fitted, E[L] changes by **{_signed(found, '+.4f')}** with each doubling of the iterations, {ends}"
    return f"{said}: {_direction(found, 'more iterations bring it down', 'more iterations do **not** bring it down')}."


def _direction(found: Summary, falls: str, rises: str) -> str:
    if found.low is None or found.high is None:
        return f"{falls if found.mean < 0 else rises if found.mean > 0 else 'no change'}, as far as one seed shows"
    if found.high < 0:
        return f"{falls}, over {found.n} seeds"
    return f"{rises}, over {found.n} seeds" if found.low > 0 else f"**not decided** by {found.n} seeds"


def _signed(found: Summary, spec: str) -> str:
    interval = ""
    if found.low is not None and found.high is not None:
        interval = f" [{found.low:{spec}}, {found.high:{spec}}]"
    return f"{found.mean:{spec}}{interval}".replace("-", "−")


def _ends(groups: list[Group], metric: str, x: Any) -> str:
    """What was measured at both ends of the axis."""
    known = sorted(((x(g), s) for g in groups if (s := g.summary(metric)) is not None), key=lambda pair: pair[0])
    what = "B = " if metric == "loss_variance" else ""
    unit = "" if what else " iterations"
    (first, a), (last, b) = known[0], known[-1]
    return f"from {a.mean:.4g} at {what}{first:,}{unit} to {b.mean:.4g} at {what}{last:,}{unit}"


# ---- tables and figures


def _table(results: Results) -> Table:
    rows = [
        {
            "expr": EXPERIMENTS.get(epochs, "–"),
            "batch": group.settings["batch_size"],
            "epochs": epochs,
            "iterations": iterations(group) or None,
            "variance": group.summary("loss_variance"),
            "mean": group.summary("mean_loss"),
            "diverged": f"{sum(t.diverged for t in group.trials)} of {len(group.trials)}",
        }
        for epochs, groups in _experiments(results).items()
        for group in groups
    ]
    columns = [
        Column("expr", "expr", align="left"),
        Column("batch", "B"),
        Column("epochs", "E"),
        Column("iterations", "N/B·E", format=",d", help="with the last, smaller batch of every epoch"),
        Column("variance", "Var[L]", format=".4f"),
        Column("mean", "E[L]", format=".4f"),
        Column("diverged", "Diverged"),
    ]
    return Table("The sheet's Table 2", columns, rows, name="table-2")


def _others(results: Results) -> Table:
    """Mean and variance over every choice of iterations."""
    rows = []
    for group in results.groups:
        row: dict[str, Any] = {"setting": group.label}
        for i, over in enumerate(OVERS):
            kept = [trial.result["over"][over] for trial in group.counted if "over" in trial.result]
            row[f"mean{i}"] = Summary.of([mean for mean, _, _ in kept]) if kept else None
            known = [variance for _, variance, _ in kept if variance is not None]
            row[f"variance{i}"] = Summary.of(known) if known else None
        rows.append(row)
    columns = [Column("setting", "Setting", align="left")]
    for i, said in enumerate(OVERS.values()):
        columns += [
            Column(f"variance{i}", f"Var[L], {said}", format=".4f"),
            Column(f"mean{i}", f"E[L], {said}", format=".4f"),
        ]
    return Table("Mean and variance over other iterations", columns, rows, name="others")


def _variances(results: Results) -> Figure:
    return _drawn(results, "loss_variance", "batch", "Variance of the loss against the batch size", "batch size B")


def _means(results: Results) -> Figure:
    return _drawn(results, "mean_loss", "iterations", "Mean loss against the number of iterations", "iterations N/B·E")


def _drawn(results: Results, metric: str, x: str, title: str, x_title: str) -> Figure:
    rows, counts = [], []
    for epochs, groups in _experiments(results).items():
        for group in groups:
            found = group.summary(metric)
            if found is not None:
                low, high = (found.mean if end is None else end for end in (found.low, found.high))
                at = {"batch": group.settings["batch_size"], "iterations": iterations(group)}
                called = f"{epochs} epoch" + "s" * (epochs != 1)
                rows.append({x: at[x], "value": found.mean, "low": low, "high": high, "experiment": called})
                counts.append(found.n)
    return points(
        title, rows, x=x, y="value", series="experiment", band=("low", "high"), log_x=True,
        log_y=metric == "loss_variance", x_title=x_title,
        y_title="Var[L]" if metric == "loss_variance" else "E[L]", x_format=",d", name=metric.replace("_", "-"),
        caption=of_seeds(counts),
    )  # fmt: skip


ENTRY = Study(
    name="batch-size-vs-epochs",
    title="Batch size and epochs",
    question="How do the batch size and the number of iterations change the variance and the mean of the loss?",
    theme="Training",
    source="the homework on on-edge training, question 4",
    settings=Settings,
    trial=trial,
    base={"network": "listing1", "data.name": "mnist", "optimizer.lr": 0.01},
    axes=[{"batch_size": [8, 16, 32, 64], "epochs": [4]}, {"batch_size": [8, 16, 32, 64, 128], "epochs": [1]}],
    scales={
        "smoke": Scale(
            "512 digits, B 8 and 32, E 2 and 1, 1 seed",
            seeds=1,
            set={"data.train": 512, "data.test": 100},
            axes=[{"batch_size": [8, 32], "epochs": [2]}, {"batch_size": [8, 32], "epochs": [1]}],
            time="10 s",
        ),
        "quick": Scale("10,000 digits, 3 seeds", seeds=3, set={"data.train": 10_000}, time="1 min on two cores"),
        "full": Scale("all of MNIST, 3 seeds", seeds=3, time="5 min on two cores"),
    },
    report=report,
    compares=("batch_size", "epochs"),
)
