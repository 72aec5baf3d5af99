"""A small report, and how it was run."""

from underhood.figures import lines
from underhood.report.document import Document, Equation, Section
from underhood.report.facts import Facts
from underhood.tables import Column, Estimate, Table


def document() -> Document:
    """A small report with a block of every kind, and letters in it that mean something to every format."""
    rows = [
        {"step": s, "loss": 2 / (s + 1) + k, "low": 1.8 / (s + 1) + k, "high": 2.2 / (s + 1) + k, "rule": rule}
        for k, rule in enumerate(("sgd", "adam"))
        for s in range(30)
    ]
    curves = lines(
        "Training loss",
        rows,
        x="step",
        y="loss",
        series="rule",
        band=("low", "high"),
        caption="Mean of **3 seeds**.",
        name="loss",
    )
    table = Table(
        "Results",
        [Column("rule", "Rule", align="left"), Column("error", "Test error", format=".2%", help="of test images")],
        [
            {"rule": "sgd <plain>", "error": Estimate(0.021, 0.02, 0.022, 3)},
            {"rule": "adam $5 #1", "error": Estimate(0.016, 0.015, 0.017, 3)},
        ],
        ["Last epoch."],
        name="results",
    )
    return Document(
        "Optimisers & <rules>",
        "Which rule is *fastest*?",
        "**Adam**: 1.60 % ± 0.10, in `underhood` 5 < 7.\n\n- first\n- second",
        [
            Section("Training", ["The loss is $L = -\\frac{1}{N}\\sum_n \\log p_n$.", curves]),
            Section("Rule", [Equation(r"\theta \leftarrow \theta - \eta\,g", r"$\eta$ is the *rate*."), table]),
            Section("Links", ["See [the paper](https://arxiv.org/abs/1412.6980)."]),
        ],
    )


def facts() -> Facts:
    return Facts(
        study="optimisers",
        scale="quick",
        command="underhood run optimisers --scale quick --set 'network.hidden=[64, 64]'",
        seeds=(0, 1, 2),
        states={"finished": 5, "failed": 1},
        settings={"network.hidden": [64, 64], "epochs": 2, "schedule": None},
        chosen=frozenset({"network.hidden"}),
        varied={"optimizer.name": ("sgd", "adam")},
        versions={"underhood": "0.1.0", "numpy": "2.1.0"},
        machines=({"host": "secret", "cpu": "Some CPU", "cores": 2, "memory": 16e9, "gpus": ["T4", "T4"]},),
        began="2026-01-02T03:04:05+00:00",
        seconds=134.2,
        warnings=("1 of 6 trials failed and have no numbers: adam, seed 2 (out of <memory>).",),
    )
