"""Three optimisers on scikit-learn's 8×8 digits: the whole of underhood in half a minute.

A small MLP, 64-32-10, learns real scanned digits (1,437 to train on, 360 to test on) by SGD, by Nesterov's method
and by Adam, each from the same seeds. The learning rates were chosen beforehand on validation images, from four
candidates a rule, with seeds that do not appear here.

Source: the UCI Optical Recognition of Handwritten Digits set (Alpaydin & Kaynak 1998), as scikit-learn ships it.
"""

from underhood.lab import Group, Results, Scale, Study, Summary
from underhood.report.document import Block, Document, Equation, Section
from underhood.studies.learning.results import against_epochs, estimate, named, percent, results_table
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings

RULES = {
    "sgd": (
        "SGD",
        Equation(r"w \leftarrow w - \eta\, g", r"SGD: a step down the batch's gradient $g$; $\eta$ is the step size."),
    ),
    "nesterov": (
        "Nesterov",
        Equation(
            r"v_k = w_k - \eta\, g, \qquad w_{k+1} = v_k + \tfrac{k-2}{k+1}\,(v_k - v_{k-1})",
            "Nesterov, Algorithm 1: the same step, then on in the direction of the last one, further each time.",
        ),
    ),
    "adam": (
        "Adam",
        Equation(
            r"w \leftarrow w - \eta\,\frac{\hat m}{\sqrt{\hat s} + \varepsilon}",
            "Adam: running means $m$ of $g$ and $s$ of $g^2$ give every weight a step of its own size.",
        ),
    ),
}


def report(results: Results) -> Document:
    """Who learns fastest, who ends best, and whether the seeds let one say so."""
    results = named(results, "optimizer.name", {name: title for name, (title, _) in RULES.items()})
    early = {group.label: _first_epoch(group) for group in results.groups}
    known = {label: error for label, error in early.items() if error is not None}
    return Document(
        title="Quickstart: three optimisers on real digits",
        question="Which optimiser teaches a small network to read digits fastest, and does it matter in the end?",
        answer=_answer(results, known),
        sections=[
            Section(
                "The curves",
                [
                    against_epochs(
                        "Training loss",
                        results,
                        {"epoch_loss": ""},
                        y_title="cross-entropy",
                        log_y=True,
                        caption="Each epoch's batches as they came.",
                        name="training-loss",
                    ),
                    against_epochs(
                        "Validation error",
                        results,
                        {"validation_error": ""},
                        y_title="wrong answers",
                        fraction=True,
                        caption="On images that the network never trained on.",
                        name="validation-error",
                    ),
                ],
            ),
            Section(
                "The results",
                [
                    results_table(
                        "After training",
                        results,
                        ["train_loss", "best_validation_error", "test_error"],
                        "Optimiser",
                    ),
                    "Test images were used once, with the last weights, and nothing was chosen by them.",
                ],
            ),
            *([Section("The rules", rules)] if (rules := _rules(results)) else []),
        ],
    )


def _rules(results: Results) -> list[Block]:
    """The equations of the rules that were compared, as far as this page has them."""
    used = {group.settings["optimizer"]["name"] for group in results.groups}
    return [equation for name, (_, equation) in RULES.items() if name in used]


def _first_epoch(group: Group) -> float | None:
    curve = group.curve("validation_error")
    return None if curve is None else float(curve.mean[0])


def _answer(results: Results, early: dict[str, float]) -> str:
    if not early:
        return "No trial has an error to compare."
    said = f"After one epoch {_ahead(early)}."
    final = [(s, group.label) for group in results.groups if (s := group.summary("test_error")) is not None]
    final.sort(key=lambda pair: pair[0].mean)
    said += " In the end the test error is " + ", ".join(f"{estimate(s)} with {label}" for s, label in final) + "."
    if len(final) > 1:
        said += " " + _verdict(final[0], final[1])
    return said


def _ahead(early: dict[str, float]) -> str:
    """Who has the fewest errors after the first epoch; several where they have equally few."""
    least = min(early.values())
    first = [label for label, error in early.items() if error == least]
    wrong = f"{percent(least, 1)} of the validation images wrong"
    others = ", ".join(f"{label} {percent(error, 1)}" for label, error in early.items() if error > least)
    if others:
        return f"**{' and '.join(first)}** {'are' if len(first) > 1 else 'is'} ahead, with {wrong} ({others})"
    return f"{' and '.join(first)} {'have' if len(first) > 1 else 'has'} {wrong}"


def _verdict(best: tuple[Summary, str], second: tuple[Summary, str]) -> str:
    (a, label), (b, _) = best, second
    if a.high is None or b.low is None:
        return "One seed cannot say whether that difference is more than luck; `--seeds 5` can."
    if a.high < b.low:
        return f"The intervals do not overlap: **{label}** is better here by more than the seeds' luck."
    return "The intervals of the best two overlap: over these seeds they are **not told apart**."


ENTRY = Study(
    name="quickstart",
    title="Three optimisers on real digits",
    question="Which optimiser teaches a small network to read digits fastest, and does it matter in the end?",
    theme="Start here",
    source="scikit-learn's digits; Robbins & Monro 1951, Nesterov 1983, Kingma & Ba 2015",
    settings=TrainingSettings,
    trial=train,
    base={
        "network": {"name": "mlp", "hidden": [32]},
        "data": {"name": "digits", "validation": 0.2},
        "batch_size": 32,
        "epochs": 20,
    },
    axes={
        "optimizer": [
            {"name": "sgd", "lr": 0.3},
            {"name": "nesterov", "lr": 0.01},
            {"name": "adam", "lr": 0.01},
        ]
    },
    scales={
        "smoke": Scale("2 epochs, 1 seed", seeds=1, set={"epochs": 2}, time="5 s"),
        "quick": Scale("20 epochs, 5 seeds", seeds=5, time="15 s"),
        "full": Scale("60 epochs, 20 seeds", seeds=20, set={"epochs": 60}, time="2 min"),
    },
    report=report,
)
