"""Does Nesterov's accelerated gradient bring the training loss down faster than plain gradient descent?

    Algorithm 1, Nesterov:   V₂ ← V₁,  V₁ ← W − η ∇f(xᵢ, W),  W ← V₁ + (k − 2)/(k + 1) · (V₁ − V₂),  k ← k + 1
                             from V₁ = V₂ = W, k = 2
    Algorithm 2, SGD:        W ← W − η ∇f(xᵢ, W)

    underhood run nesterov
    underhood run nesterov --set batch_size=1 --set data.train=6000

Both see the same images in the same order and start from the same weights, seed by seed. Algorithm 1 is
engine/optim/nesterov.py; it has no momentum to choose: its factor is 0 in the first step, 1/2 in the fourth and
1 − 3/(k + 1) in general.

The sheet's Figure 1 and its `q3code.py` are not in its text. Its Listing 1 network on MNIST stands in for them, with
the rate of its Listing 2, 1e-3; batches of 32 are assumed, and `batch_size=1` is the algorithm's own f(xᵢ, W).

Source: "Homework 1" of a course on on-edge training, question 3; Nesterov 1983.
"""

from typing import Any

from underhood.figures import lines
from underhood.lab import Group, Results, Scale, Study, Summary
from underhood.report.document import Document, Equation, Section
from underhood.studies.learning.results import against_epochs, called, difference, diverged, listed
from underhood.tables import Column, Estimate, Table, number
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings

TITLE = "Nesterov beside plain gradient descent"
QUESTION = "Does Nesterov's accelerated gradient bring the training loss down faster than plain gradient descent?"
NAMES = {"sgd": "SGD", "nesterov": "Nesterov"}
WINDOW = 25  # iterations that a point of the curve is the mean of

ASSUMED = (
    "The sheet's figure and its program are not in its text, so it has no number to compare with. Assumed: its Listing "
    "1 network on MNIST, batches of 32, and as many epochs as the scale says. From the sheet: the rate of 1e-3 and "
    "both algorithms. The algorithm writes $f(x_i, W)$, one image a step: that is `--set batch_size=1`."
)
NOTE = (
    "$V_1$ is the point that a plain step reaches, $V_2$ the one before it; $W$ looks ahead from $V_1$. $k$ begins at "
    "2 and counts the iterations, so the factor grows from 0 towards 1. Under a steady gradient $g$ a step comes to "
    "about $\\eta k g/4$, larger and larger: noise in the gradient of a batch, and curvature that such a step is too "
    "large for, show the later the more. The paper's $O(1/k^2)$ is for convex functions and whole gradients."
)


def report(results: Results) -> Document:
    """Both losses against iterations, and who is below whom, seed by seed."""
    results = called(results, lambda group: NAMES.get(rule(group), rule(group)))
    return Document(
        title=TITLE,
        question=QUESTION,
        answer=_answer(results),
        sections=[
            Section("Against iterations", [_curves(results), _table(results)]),
            Section(
                "The two rules",
                [
                    Equation(r"W \leftarrow W - \eta\,\nabla f(x_i, W)", "Algorithm 2, plain gradient descent."),
                    Equation(
                        r"\begin{aligned} V_2 &\leftarrow V_1 \\ V_1 &\leftarrow W - \eta\,\nabla f(x_i, W) \\ "
                        r"W &\leftarrow V_1 + \frac{k-2}{k+1}\,(V_1 - V_2) \\ k &\leftarrow k + 1 \end{aligned}",
                        f"Algorithm 1, Nesterov. {NOTE}",
                    ),
                ],
            ),
            Section("Assumed", [ASSUMED]),
        ],
        listed=[
            listed(f"training loss of the last epoch, {g.label}", g, g.summary("train_loss"), format=".4f")
            if not _worse(g)
            else listed(f"training loss of the last epoch, {g.label}: above the first one", g, None)
            for g in results.groups
        ],
    )


def rule(group: Group) -> str:
    """The optimiser's name."""
    return str(group.settings["optimizer"]["name"])


# ---- in words


def _answer(results: Results) -> str:
    said = [_reached(group) for group in results.groups]
    plain = [group for group in results.groups if rule(group) == "sgd"]
    others = [group for group in results.groups if rule(group) == "nesterov"]
    if len(plain) != 1 or len(others) != 1:
        return " ".join([*said, "It takes both rules, each with one setting, to say which is faster."])
    return " ".join([*said, _apart(others[0], plain[0]), _sooner(others[0], plain[0])])


def _reached(group: Group) -> str:
    found = group.summary("train_loss")
    if found is None:
        steps = sorted(int(trial.result["steps"]) for trial in group.trials if trial.diverged)
        return f"{group.label} **diverged** with every seed, first at iteration {steps[0]}." if steps else ""
    if worse := _worse(group):
        ends = " and ".join(f"{end:.4g}" for _, end in worse)
        return (
            f"{group.label}: with **{len(worse)} of {len(group.trials)} seeds the training ends worse than it began**, "
            f"at a loss of {ends} in the last epoch after {max(begun for begun, _ in worse):.4g} or less at first."
            f"{diverged(group)}"
        )
    epochs = group.settings["epochs"]
    return (
        f"{group.label}: a training loss of **{_estimate(found)}** on the mean of epoch {epochs}, the last, over "
        f"{found.n} seed{'s' * (found.n != 1)}.{diverged(group)}"
    )


def _worse(group: Group) -> list[tuple[float, float]]:
    """The first loss and the last epoch's, of each seed whose training undid itself without diverging."""
    found = []
    for trial in group.counted:
        begun, end = next(iter(trial.metric("train_loss").values()), None), trial.numbers.get("train_loss")
        if begun is not None and end is not None and end > begun:
            found.append((begun, end))
    return found


def _apart(group: Group, plain: Group) -> str:
    """The difference of the losses at the end, seed by seed."""
    if broken := [each.label for each in (group, plain) if _worse(each)]:
        return f"What is left of {' and '.join(broken)} at the end is no loss to compare with."
    found = difference(group, plain, "train_loss")
    if found is None:
        return "No seed finished with both, so there is no difference to take."
    said = f"Seed by seed {group.label}'s mean of the last epoch is {_loss(found.mean, '+')} from {plain.label}'s"
    if found.low is None or found.high is None:
        return f"{said}; one seed cannot say whether that is luck."
    verdict = (
        f"**{group.label} is lower**"
        if found.high < 0
        else f"**{group.label} is higher**"
        if found.low > 0
        else "**that may be luck**"
    )
    return f"{said} [{_loss(found.low, '+')}, {_loss(found.high, '+')}] over {found.n} pairs: {verdict}."


def _sooner(group: Group, plain: Group) -> str:
    """When the mean curve first is where plain descent's ends, and how often it is the lower one."""
    theirs, ours = plain.curve("train_loss"), group.curve("train_loss")
    if theirs is None or ours is None or not len(plain.counted) or not len(group.counted):
        return ""
    goal, end = float(theirs.mean[-1]), int(theirs.steps[-1])
    met = [int(step) for step, loss in zip(ours.steps, ours.mean, strict=True) if loss <= goal]
    shared = [
        (float(a), float(b))
        for step, b in zip(theirs.steps, theirs.mean, strict=True)
        for a in ours.mean[ours.steps == step]
    ]
    lower = sum(a < b for a, b in shared)
    best = int(ours.mean.argmin())
    where = (
        f"It is the lower one at {lower} of the {len(shared)} points of the curves; its lowest is "
        f"{_loss(ours.mean[best])} after {int(ours.steps[best]):,} iterations, and it ends at {_loss(ours.mean[-1])}."
    )
    if not met:
        return f"{group.label} never comes to the loss of {_loss(goal)} where {plain.label} ends. {where}"
    return (
        f"The loss of {_loss(goal)}, where {plain.label} ends after {end:,} iterations, {group.label} first has after "
        f"**{met[0]:,}**. {where}"
    )


def _loss(value: float, sign: str = "") -> str:
    return number(value, f"{sign}.4f")


def _estimate(found: Summary) -> str:
    if found.low is None or found.high is None:
        return _loss(found.mean)
    return f"{_loss(found.mean)} ± {_loss((found.high - found.low) / 2)}"


# ---- figure and table


def _curves(results: Results) -> Any:
    """The means with their bands; where a training undid itself, each seed by itself."""
    every = results.groups[0].settings["log_every"]
    points = (
        f"Each point is the mean of {every} iterations" if every else "Each point is the mean of a 20th of an epoch"
    )
    title = "Training loss against iterations"
    axes: dict[str, Any] = {"x_title": "iterations", "y_title": "training loss"}
    if any(_worse(group) or diverged(group) for group in results.groups):
        rows = [
            {"step": step, "loss": loss, "seed": f"{group.label}, seed {trial.seed}"}
            for group in results.groups
            for trial in group.trials
            for step, loss in trial.metric("train_loss").items()
        ]
        caption = f"{points}, of the batches as they came; a curve a seed, as far as its loss is finite."
        return lines(title, rows, x="step", y="loss", series="seed", log_y=True, name="loss", caption=caption, **axes)
    return against_epochs(
        title,
        results,
        {"train_loss": "" if results.varying else "training"},
        x="step",
        log_y=True,
        name="loss",
        caption=f"{points}, of the batches as they came.",
        **axes,
    )


def _table(results: Results) -> Table:
    """The losses at the iterations 100, 300, 1000, … and at the end."""
    curves = {f"rule{i}": found for i, g in enumerate(results.groups) if (found := g.curve("train_loss")) and g.counted}
    longest = max((curve.steps for curve in curves.values()), key=len, default=())
    rows = []
    for step in _marks([int(step) for step in longest]):
        row: dict[str, Any] = {"step": step}
        for name, curve in curves.items():
            for i in (i for i, at in enumerate(curve.steps) if at == step):
                low, high = (None if end is None else float(end[i]) for end in (curve.low, curve.high))
                row[name] = Estimate(float(curve.mean[i]), low, high, curve.n)
        rows.append(row)
    titles = {f"rule{i}": group.label for i, group in enumerate(results.groups)}
    columns = [Column("step", "Iterations", format=",d")]
    columns += [Column(name, f"Training loss, {titles[name]}", format=".4g") for name in curves]
    return Table("The loss on the way", columns, rows, name="losses")


def _marks(steps: list[int]) -> list[int]:
    """Of some steps the first at or after 100, 300, 1000, 3000, …, and the last."""
    wanted = [lead * 10**power for power in range(2, 8) for lead in (1, 3)]
    found = [next((step for step in steps if step >= each), None) for each in wanted]
    return sorted({step for step in [*found, *steps[-1:]] if step is not None})


ENTRY = Study(
    name="nesterov",
    title=TITLE,
    question=QUESTION,
    theme="Optimisers",
    source='the homework on on-edge training, question 3; Nesterov 1983, "A method for unconstrained convex …"',
    settings=TrainingSettings,
    trial=train,
    base={
        "network": "listing1",
        "data.name": "mnist",
        "optimizer.lr": 1e-3,
        "batch_size": 32,
        "log_every": WINDOW,
    },
    axes={"optimizer.name": ["sgd", "nesterov"]},
    scales={
        "smoke": Scale(
            "512 digits, 2 epochs, 1 seed",
            seeds=1,
            set={"epochs": 2, "data.train": 512, "data.test": 100, "log_every": 4},
            time="10 s",
        ),
        "quick": Scale("all of MNIST, 2 epochs, 3 seeds", seeds=3, set={"epochs": 2}, time="1 min on two cores"),
        "full": Scale("all of MNIST, 10 epochs, 3 seeds", seeds=3, set={"epochs": 10}, time="5 min on two cores"),
    },
    report=report,
    compares=("optimizer",),
    diverged=True,
)
