r"""Five rules that scale every weight's step by its own gradients: their equations, terms and differences.

    g: the gradient with the penalty's   s: what it is divided by, under a root   η: the rate

The hyper-parameters' names and defaults are read from the optimisers themselves (engine/optim), so that they are those
that a training has.

Sources: the optimisers' pages; Duchi, Hazan & Singer 2011; Tieleman & Hinton 2012; Goodfellow, Bengio & Courville
2016, algorithm 8.6; Zeiler 2012; Kingma & Ba 2015.
"""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass

from underhood.report.document import Block, Equation
from underhood.report.facts import plain
from underhood.tables import Column, Table


@dataclass(frozen=True)
class Rule:
    """`title` as a reader knows it, its `equation` with every term explained, and what each argument is in it."""

    title: str
    equation: Equation
    arguments: dict[str, str]
    source: str


GRADIENT = Equation(
    r"g = \frac{\partial}{\partial w} \Bigl( E + \frac{\lambda}{2} \sum_j w_j^2 \Bigr) "
    r"= \frac{\partial E}{\partial w} + \lambda w",
    "What all five begin with, for every weight $w$ by itself: $E$ the batch's mean cross-entropy, $\\lambda$ the "
    "strength of the L2 penalty, which is over the weights of the layers and not over their biases. All squares, roots "
    "and quotients below are of one weight's numbers.",
)
RULES: dict[str, Rule] = {
    "adagrad": Rule(
        "AdaGrad",
        Equation(
            r"\begin{aligned} s &\leftarrow s + g^2 \\ w &\leftarrow w - \eta \, \frac{g}{\sqrt{s} + \epsilon} "
            r"\end{aligned}",
            "$s$: the sum of the squares of all gradients since the start, from 0; $\\eta$: the rate; $\\epsilon$: "
            "keeps the quotient finite where a weight has had no gradient yet. As $s$ only grows, a weight's steps "
            "fade, about as $1/\\sqrt{k}$ after $k$ steps, and fade soonest where gradients are large.",
        ),
        {"lr": "η, the rate", "eps": "ε"},
        "Duchi, Hazan & Singer 2011",
    ),
    "rmsprop": Rule(
        "RMSProp",
        Equation(
            r"\begin{aligned} s &\leftarrow \alpha s + (1 - \alpha) g^2 \\ "
            r"w &\leftarrow w - \eta \, \frac{g}{\sqrt{s} + \epsilon} \end{aligned}",
            "$s$: the running mean of the squares, over about the last $1/(1 - \\alpha)$ steps; $\\alpha$: how much of "
            "it is kept; $\\eta$, $\\epsilon$ as before. What is long past is forgotten, so the steps need not fade.",
        ),
        {"lr": "η, the rate", "alpha": "α, what is kept of the mean square", "eps": "ε"},
        "Tieleman & Hinton 2012",
    ),
    "rmsprop-nesterov": Rule(
        "RMSProp+Nesterov",
        Equation(
            r"\begin{aligned} s &\leftarrow \alpha s + (1 - \alpha) g^2 \\ d &= \frac{g}{\sqrt{s} + \epsilon} \\ "
            r"u &\leftarrow \mu u + d \\ w &\leftarrow w - \eta (d + \mu u) \end{aligned}",
            "$s$, $\\alpha$, $\\eta$, $\\epsilon$ as in RMSProp; $d$: RMSProp's direction; $u$: the velocity, the "
            "directions so far, each step's weighing $\\mu$ times the next one's; $\\mu$: the momentum. $w$ is the "
            "point that the momentum leads to, where Nesterov takes the gradient. Directions that agree add up to "
            "$1/(1 - \\mu)$ times one, so a smaller $\\eta$ goes with it.",
        ),
        {"lr": "η, the rate", "alpha": "α, what is kept of the mean square", "momentum": "μ, the momentum", "eps": "ε"},
        "Goodfellow, Bengio & Courville 2016, algorithm 8.6",
    ),
    "adadelta": Rule(
        "AdaDelta",
        Equation(
            r"\begin{aligned} s &\leftarrow \rho s + (1 - \rho) g^2 \\ "
            r"d &= \frac{\sqrt{a + \epsilon}}{\sqrt{s + \epsilon}} \, g \\ a &\leftarrow \rho a + (1 - \rho) d^2 \\ "
            r"w &\leftarrow w - \eta d \end{aligned}",
            "$s$: the running mean of the gradients' squares; $a$: that of the steps' squares, from 0; $\\rho$: how "
            "much of both is kept; $d$: the step, in the unit of $w$; $\\epsilon$, under both roots, gets the first "
            "steps going, for $a$ begins at 0; $\\eta$: 1 in the paper, a factor on all steps.",
        ),
        {"lr": "η, 1 in the paper", "rho": "ρ, what is kept of both means", "eps": "ε"},
        "Zeiler 2012",
    ),
    "adam": Rule(
        "Adam",
        Equation(
            r"\begin{aligned} m &\leftarrow \beta_1 m + (1 - \beta_1) g \\ "
            r"s &\leftarrow \beta_2 s + (1 - \beta_2) g^2 \\ "
            r"w &\leftarrow w - \eta \, \frac{m / (1 - \beta_1^k)}{\sqrt{s / (1 - \beta_2^k)} + \epsilon} "
            r"\end{aligned}",
            "$m$: the running mean of the gradients; $s$: that of their squares; $\\beta_1$, $\\beta_2$: how much of "
            "each is kept; $k$: the number of the step, from 1. Both means begin at 0 and are too small at first, "
            "which the divisions by $1 - \\beta^k$ mend; $\\eta$, $\\epsilon$ as before.",
        ),
        {"lr": "η, the rate", "betas": "β₁ and β₂, what is kept of the means", "eps": "ε"},
        "Kingma & Ba 2015",
    ),
}
DIFFERENCES = """
How they differ from RMSProp, which divides each gradient by the root of its running mean square:

- **AdaDelta** puts the root mean square of its own last steps where RMSProp has the rate. RMSProp's step has the unit
  of $\\eta$ whatever the weight is measured in; AdaDelta's has the weight's, as Newton's has, and so asks for no rate.
  Instead $\\epsilon$ decides how fast it starts.
- **Adam** divides not the last gradient but a running mean of gradients, which is a momentum, and mends both running
  means for their start at 0, which RMSProp does not: its first $s$ is only $1 - \\alpha$ of a square, so that its
  first steps are up to $1/\\sqrt{1 - \\alpha}$ times the rate, ten times it for $\\alpha$ = 0.99.
- **AdaGrad**, the oldest, has a sum where RMSProp has a running mean; **RMSProp+Nesterov** adds momentum on top, with
  the gradient taken where the momentum leads.
"""


def titled(optimizer: str) -> str:
    """The rule's title; of an optimiser that is none of the five its name."""
    return RULES[optimizer].title if optimizer in RULES else optimizer


def explained() -> Iterator[Block]:
    """The equations with their terms, the hyper-parameters, and the differences in words."""
    yield GRADIENT
    for rule in RULES.values():
        yield f"**{rule.title}** ({rule.source})"
        yield rule.equation
    yield hyperparameters()
    yield DIFFERENCES


def hyperparameters() -> Table:
    """A row for each rule's hyper-parameter, with the default of its optimiser."""
    from underhood.engine.optim import OPTIMIZERS

    rows = []
    for name, rule in RULES.items():
        parameters = inspect.signature(OPTIMIZERS[name].optimizer).parameters
        for argument, meaning in rule.arguments.items():
            default = parameters[argument].default
            shown = plain(list(default) if isinstance(default, tuple) else default)
            rows.append({"rule": rule.title, "argument": argument, "meaning": meaning, "default": shown})
    columns = [
        Column("rule", "Rule", align="left"),
        Column("argument", "Argument", align="left"),
        Column("meaning", "Is", align="left"),
        Column("default", "Default", align="left"),
    ]
    foot = ["Beside these, all have λ, the strength of the L2 penalty. What was chosen for a training stands above."]
    return Table("Hyper-parameters of the rules", columns, rows, foot, name="rules")
