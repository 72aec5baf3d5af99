"""Which of five adaptive rules brings the training loss down furthest, and what does dropout do to each?

    w ← w − (a rate of each weight's own) · (its gradient)        AdaGrad, RMSProp, RMSProp+Nesterov, AdaDelta, Adam

    underhood run adaptive-optimizers
    underhood run adaptive-optimizers --scale full --set epochs=40     # a fifth of the sheet's epochs
    underhood run adaptive-optimizers --scale full                     # its 200 epochs
    underhood run adaptive-optimizers --set optimizer=adam --set search.over.optimizer.lr=[0.0001,0.001]

An MLP of two hidden layers of 1000 on CIFAR-10, with an L2 penalty, with dropout and without. Each of the ten chooses
its rate and its penalty's strength by validation among a small grid of short trainings, from the same initial weights
(training/search.py); what is chosen replaces `optimizer.lr` and `penalty.l2`.

The training loss is told twice, both over all training images with dropout off, after every epoch: the data loss E
alone, and the objective E + λ/2 Σw² that was minimised. Dropout's masks are scaled while training, as PyTorch's are;
that this is the sheet's "scale the weights" is shown on each trained network, layer by layer.

Source: a course homework on adaptive learning rates, NYU 2022; the rules' own sources stand beside them.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from math import isfinite
from typing import Any

from underhood.figures import Figure
from underhood.lab import Group, Results, Scale, StoredTrial, Study, Summary
from underhood.report.document import Document, Section
from underhood.report.facts import duration
from underhood.studies.adaptive import rules, scaling, scalings
from underhood.studies.learning import laboratory
from underhood.studies.learning.choices import at_the_edge, candidates, chosen_words
from underhood.studies.learning.results import (
    Value,
    against_epochs,
    an_epoch,
    called,
    difference,
    epoch_seconds,
    estimate,
    listed,
    over_seeds,
    ratio,
    scaled,
    told_from,
)
from underhood.tables import Column, Table
from underhood.training.learner import NetworkLearner
from underhood.training.pipeline import Parts
from underhood.training.search import SearchedSettings, search_and_train
from underhood.training.settings import TrainingSettings
from underhood.trials import Context, Event, Result

SHEET_S_EPOCHS = 200
DROPPED = ", dropout"
NAMES = {"optimizer.lr": "rate", "penalty.l2": "λ"}


def trial(settings: SearchedSettings, seed: int, context: Context) -> Iterator[Event]:
    """Choose, train, and hold dropout's two scalings against each other on what was trained."""
    kept: list[NetworkLearner] = []

    def learner(chosen: TrainingSettings, seed: int, parts: Parts) -> NetworkLearner:
        kept.append(NetworkLearner(chosen, seed, parts))
        return kept[-1]

    for event in search_and_train(settings, seed, context, learner):
        if isinstance(event, Result) and not event.values["diverged"]:
            yield Result({**event.values, "scaling": scaling.measure(kept[-1], seed)})
        else:
            yield event


# ---- what a group is, and the numbers that are compared


def drops(group: Group) -> bool:
    """Whether it is trained with dropout."""
    network = group.settings["network"]
    return bool(network.get("dropout") or network.get("input_dropout"))


def name(group: Group) -> str:
    """`Adam`, or `Adam, dropout`."""
    return rules.titled(group.settings["optimizer"]["name"]) + DROPPED * drops(group)


def last(metric: str) -> Value:
    """A metric's last value, where it was measured and is finite."""

    def of(trial: StoredTrial) -> float | None:
        found = trial.metric(metric)
        return found[max(found)] if found and isfinite(found[max(found)]) else None

    return of


LOSS, OBJECTIVE = last("fitted_loss"), last("fitted_objective")


def _result(key: str, trial: StoredTrial) -> float | None:
    return trial.result.get(key)


ACCURACY = partial(_result, "test_accuracy")


def whole(trial: StoredTrial) -> float | None:
    """The seconds of the sheet's epochs: those measured, and the median epoch for each that was not run."""
    epoch = an_epoch(trial)
    return None if epoch is None else trial.result["seconds"] + (SHEET_S_EPOCHS - trial.result["epochs"]) * epoch


# ---- the report


def report(results: Results) -> Document:
    """The rules explained, what was chosen, both losses against epochs, times, accuracies, and the two scalings."""
    results = called(results, name)
    shown = scalings.shown(results)
    return Document(
        title=TITLE,
        question=QUESTION,
        answer="\n\n".join(filter(None, _answer(results))),
        sections=[
            Section("Side by side", [_table(results), _times_said(results)]),
            Section("Training loss", [*_curves(results)]),
            Section("Chosen by validation", [_chosen(results), candidates(results, NAMES)], folded=True),
            Section("The rules", list(rules.explained())),
            *([Section("Scaling the weights by what is kept", shown)] if shown else []),
            Section("Assumed", [ASSUMED, *laboratory.otherwise(results, TAKEN)]),
        ],
        headline={f"training loss, {g.label}": over_seeds(g, LOSS) for g in results.groups},
        listed=[
            listed(f"test accuracy, {g.label}", g, over_seeds(g, ACCURACY), note=chosen_words(g, NAMES))
            for g in results.groups
        ],
    )


ASSUMED = (
    "Assumed, because the sheet does not say: 45,000 training and 5,000 validation images, pixels normalised by "
    "channel and not augmented, PyTorch's initial weights; the L2 penalty λ/2 Σw² over the layers' weights and not "
    "their biases, as a term of what is minimised, so that each rule scales its gradient too; the rules' other "
    "hyper-parameters at the defaults above; rate and λ of each training chosen for itself, with its dropout, by the "
    "lowest validation error after the short trainings listed above. From the sheet: the network, B = 128, dropout of "
    "0.2 at the input and 0.5 at the hidden layers, 200 epochs. The sheet has no figures of its own to stand beside."
)
TAKEN: Sequence[laboratory.Taken] = (
    (45_000, ("data", "train"), "{:,} training images"),
    (5000, ("data", "validation"), "{:,} validation images"),
    ([1000, 1000], ("network", "hidden"), "hidden layers of {}"),
    (128, ("batch_size",), "B = {:,}"),
    (0.2, ("network", "input_dropout"), "dropout of {:g} at the input"),
    (0.5, ("network", "dropout"), "dropout of {:g} at the hidden layers"),
    (SHEET_S_EPOCHS, ("epochs",), "{:,} epochs"),
)


def _answer(results: Results) -> Iterator[str]:
    """Without dropout, with it, what it changes, and what the times and accuracies come to."""
    plain, dropped = ([g for g in results.groups if drops(g) is how] for how in (False, True))
    for how, groups in (("Without dropout", plain), ("With dropout", dropped)):
        if groups:
            yield _lowest(how, groups)
    for group in results.groups:
        if not group.counted:
            yield f"{group.label}: {laboratory.lost(group)}."
    couples = [(g, other) for g in dropped for other in plain if other.label == g.label.removesuffix(DROPPED)]
    if couples:
        yield "What dropout changes:\n" + "\n".join(f"- {_changed(*couple)}" for couple in couples)
    for how, groups in (("Without dropout", plain), ("With dropout", dropped)):
        if groups:
            yield _most_accurate(how, groups)
    yield _how_long(results)


def _lowest(how: str, groups: Sequence[Group]) -> str:
    """Which rule's data loss is lowest at the end, what can be told from it, and whether the objective agrees."""
    top = _first(groups, LOSS)
    if top is None:
        return f"{how} no training loss was measured at an end, dropout off."
    loss, objective = over_seeds(top, LOSS), over_seeds(top, OBJECTIVE)
    assert loss is not None  # it is the lowest
    beside = "" if objective is None else f" (objective {objective.mean:.4f})"
    said = f"{how} the training loss ends lowest with **{top.label}**: **{loss.mean:.4f}**{beside}."
    apart = partial(difference, metric=LOSS)
    rest = told_from(top, [g for g in groups if g is not top], apart, "higher", ".4f")
    agrees = _first(groups, OBJECTIVE)
    other = f" By the objective it is {agrees.label}." if agrees is not None and agrees is not top else ""
    alone = "" if rest else " No other has a number of the same seed to compare."
    return f"{said} {rest}{other}{alone}".strip().replace("  ", " ")


def _most_accurate(how: str, groups: Sequence[Group]) -> str:
    top = _first(groups, lambda trial: None if (found := ACCURACY(trial)) is None else -found)
    found = None if top is None else over_seeds(top, ACCURACY)
    if top is None or found is None:
        return ""
    rest = told_from(
        top,
        [group for group in groups if group is not top],
        lambda group, other: scaled(difference(group, other, ACCURACY), 100),
        "lower",
        ".2f",
        " points",
    )
    return f"{how} most test images are read right with **{top.label}**: {estimate(found)}. {rest}".strip()


def _first(groups: Sequence[Group], value: Value) -> Group | None:
    """The group whose mean is lowest."""
    means = {i: found.mean for i, group in enumerate(groups) if (found := over_seeds(group, value)) is not None}
    return groups[min(means, key=lambda i: means[i])] if means else None


def _changed(group: Group, plain: Group) -> str:
    """What dropout does to a rule's training loss, its test accuracy and its time."""
    loss, accuracy = difference(group, plain, LOSS), scaled(difference(group, plain, ACCURACY), 100)
    times = ratio(group, plain, an_epoch)
    said = []
    if loss is not None:
        said.append(f"training loss {loss.mean:+.4f}{_interval(loss, '+.4f')} ({_verdict(loss)})")
    if accuracy is not None:
        said.append(f"test accuracy {accuracy.mean:+.2f} points{_interval(accuracy, '+.2f')} ({_verdict(accuracy)})")
    if times is not None:
        said.append(f"{times.mean:.2f}{_interval(times, '.2f')} times the time")
    return f"**{plain.label}**: {', '.join(said) or 'no seed finished both with and without'}."


def _interval(found: Summary, spec: str) -> str:
    return "" if found.low is None else f" [{found.low:{spec}}, {found.high:{spec}}]"


def _verdict(found: Summary) -> str:
    if found.low is None or found.high is None:
        return "one pair of seeds"
    return "higher" if found.low > 0 else "lower" if found.high < 0 else "may be luck"


def _how_long(results: Results) -> str:
    """The time of the sheet's epochs, and whether it was measured or extrapolated."""
    times = {group.label: found for group in results.groups if (found := over_seeds(group, whole)) is not None}
    if not times:
        return ""
    epochs = sorted({group.settings["epochs"] for group in results.groups})
    by = "measured" if epochs == [SHEET_S_EPOCHS] else f"extrapolated from {' and '.join(map(str, epochs))} epochs"
    least, most = min(times, key=lambda k: times[k].mean), max(times, key=lambda k: times[k].mean)
    span = f"{duration(times[least].mean)} ({least})"
    span += "" if most == least else f" to {duration(times[most].mean)} ({most})"
    trained = {g.settings["data"]["train"] for g in results.groups} - {None}
    on = f", on {' and '.join(f'{each:,}' for each in sorted(trained))} images an epoch" if trained else ""
    return f"{SHEET_S_EPOCHS} epochs take {span} of training here, {by}{on}."


# ---- tables and figures


def _table(results: Results) -> Table:
    rows = [
        {
            "setting": group.label,
            "chosen": chosen_words(group, NAMES),
            "loss": over_seeds(group, LOSS),
            "objective": over_seeds(group, OBJECTIVE),
            "noisy": group.summary("train_loss"),
            "error": over_seeds(group, last("fitted_error")),
            "validation": group.summary("validation_error"),
            "test": over_seeds(group, ACCURACY),
            "epoch": over_seeds(group, an_epoch),
            "whole": scaled(over_seeds(group, whole), 1 / 60),
        }
        for group in results.groups
    ]
    columns = [
        Column("setting", "Rule", align="left"),
        Column("chosen", "Chosen", align="left"),
        Column("loss", "Training loss", format=".4f", help="the data's alone, dropout off, after the last epoch"),
        Column("objective", "Objective", format=".4f", help="the same with λ/2 Σw²"),
        Column("noisy", "As it trained", format=".4f", help="mean of the last epoch's batches, dropout on"),
        Column("error", "Training error", format=".2%", help="dropout off"),
        Column("validation", "Validation error", format=".2%"),
        Column("test", "Test accuracy", format=".2%", help="once, with the last weights"),
        Column("epoch", "An epoch", "s", ",.2f"),
        Column("whole", f"{SHEET_S_EPOCHS} epochs", "min", ",.1f"),
    ]
    return Table("The rules, without dropout and with it", columns, rows, name="rules-beside")


def _times_said(results: Results) -> str:
    epochs = sorted({group.settings["epochs"] for group in results.groups})
    said = "Times are of training alone, without evaluation and without the search, one trial at a time unless it says "
    said += "otherwise below; an epoch's are the median."
    if epochs != [SHEET_S_EPOCHS]:
        said += f" Those of {SHEET_S_EPOCHS} epochs are extrapolated from {' and '.join(map(str, epochs))} by it."
    spread = [each for group in results.groups for trial in group.counted for each in epoch_seconds(trial)]
    if len(spread) > 1:
        said += f" Single epochs took {min(spread):.2f} to {max(spread):.2f} s, over all settings."
    return said


def _curves(results: Results) -> Iterator[Figure]:
    for how, said in ((False, "without dropout"), (True, "with dropout")):
        some = Results(tuple(group for group in results.groups if drops(group) is how and group.counted))
        if not some.groups:
            continue
        some = called(some, lambda group: group.label.removesuffix(DROPPED))
        word = "dropout" if how else "plain"
        for metric, title in (("fitted_loss", "Data loss"), ("fitted_objective", "Objective")):
            yield against_epochs(
                f"{title}, {said}",
                some,
                {metric: "" if some.varying else title.lower()},
                y_title="cross-entropy" if metric == "fitted_loss" else "cross-entropy + λ/2 Σw²",
                log_y=True,
                name=f"{metric.removeprefix('fitted_')}-{word}",
                caption="Over all training images, dropout off, after every epoch.",
            )


def _chosen(results: Results) -> str:
    """Each setting's choice, and which of them lie at the edge of their grid."""
    edges = {
        f"{group.label} ({', '.join(NAMES.get(key, key) for key in keys)})": None
        for group in results.groups
        for trial in group.trials
        if (keys := at_the_edge(trial))
    }
    said = "Each training chose for itself, by the validation images alone, what the table marks."
    if edges:
        said += f" At the edge of its grid, so that better may lie beyond: {'; '.join(edges)}."
    return said


TITLE = "Five adaptive learning rates, with dropout and without"
QUESTION = "Which adaptive rule brings the training loss lowest, with dropout and without, and at what cost?"
RATES = {
    "adagrad": [0.003, 0.01, 0.03],
    "rmsprop": [0.0001, 0.0003, 0.001],
    "rmsprop-nesterov": [0.00001, 0.00003, 0.0001],
    "adadelta": [0.1, 0.3, 1.0],
    "adam": [0.0001, 0.0003, 0.001],
}
STRENGTHS = [0.0001, 0.001]
NETWORKS = [{"name": "mlp"}, {"name": "mlp", "input_dropout": 0.2, "dropout": 0.5}]


def _grids(strengths: Sequence[float], some: Sequence[str] = tuple(RATES)) -> list[dict[str, list[Any]]]:
    """For every rule its own rates, each without dropout and with it."""
    return [
        {
            "optimizer.name": [rule],
            "search.over": [{"optimizer.lr": RATES[rule], "penalty.l2": list(strengths)}],
            "network": NETWORKS,
        }
        for rule in some
    ]


ENTRY = Study(
    name="adaptive-optimizers",
    title=TITLE,
    question=QUESTION,
    theme="Training",
    source="course homework on adaptive learning rates, NYU 2022",
    settings=SearchedSettings,
    trial=trial,
    base={
        "network": {"name": "mlp", "hidden": [1000, 1000]},
        "data.name": "cifar10",
        "data.validation": 5000,
        "batch_size": 128,
        "epochs": SHEET_S_EPOCHS,
        "train_curve": True,
        "search.epochs": 3,
    },
    axes=_grids(STRENGTHS),
    scales={
        "smoke": Scale(
            "200 images, two hidden layers of 32, 2 epochs, two rules",
            seeds=1,
            set={
                "network.hidden": [32, 32],
                "data.train": 200,
                "data.validation": 100,
                "data.test": 100,
                "batch_size": 50,
                "epochs": 2,
                "search.epochs": 1,
            },
            axes=_grids([0.0001], ["rmsprop", "adam"]),
            time="10 s",
        ),
        "quick": Scale(
            "4,000 images, 6 epochs, three rates for an epoch each",
            seeds=1,
            set={"data.train": 4000, "data.validation": 1000, "epochs": 6, "search.epochs": 1, "threads": 2},
            axes=_grids([0.0001]),
            time="5 min on two cores",
        ),
        "full": Scale("200 epochs, six candidates for 3 epochs each", seeds=1, time="a day on two cores"),
    },
    report=report,
    compares=("optimizer", "search.over", "network.dropout", "network.input_dropout"),
    timed=True,
    diverged=True,
)
