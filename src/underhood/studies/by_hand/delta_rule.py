r"""The delta rule for SimpleConvNet in formulas: a local gradient for every layer, a gradient for every weight.

    E = 1/N Σ_n −log y[n, t_n]      δ^(l) = ∂E/∂z^(l)      δ^(fc2) = (y − t)/N

The exercise's equation (6), δ = y − t, is that of one image; over a batch E is the mean, and each δ has 1/N in it.

Source: A. Chernodub, "Homework for the deep learning class", 2019, equation (6) and task 3.
"""

from collections.abc import Iterator
from typing import Any

from underhood.report.document import Equation


def _m(name: str) -> str:
    return rf"^{{(\mathrm{{{name}}})}}"


def _d(name: str) -> str:
    return rf"\delta{_m(name)}"


def rules(images: int) -> Iterator[Any]:
    """What δ is, then every local gradient and every weight's, from the loss down, for a batch of that many images."""
    yield (
        "A **local gradient** $\\delta$ of a layer is the derivative of the loss with respect to what that layer "
        f"gives, one number for each of its numbers. The loss is the **mean** over the batch, here of $N = {images}$:"
    )
    yield Equation(
        r"E = -\frac{1}{N} \sum_{n=1}^{N} \log y_{n,t_n}, \qquad \delta^{(l)} \equiv "
        r"\frac{\partial E}{\partial z^{(l)}}",
        r"$t_n$: the right class of image $n$; $t_{n,k}$ below is 1 for $k = t_n$, else 0.",
    )
    yield Equation(
        rf"{_d('fc2')}_{{n,k}} = \frac{{1}}{{N}}\,(y_{{n,k}} - t_{{n,k}}) = \frac{{1}}{{{images}}}\,"
        r"(y_{n,k} - t_{n,k})",
        r"$1 \le n \le N$, $1 \le k \le 10$. Softmax and cross-entropy together. The exercise's equation (6), "
        r"$\delta = y - t$, is that of a single image, $N = 1$, or of a sum in place of the mean.",
    )
    yield from _fully_connected()
    yield from _convolution()


def _weights(layer: str, below: str, row: str, column: str, bounds: str) -> Equation:
    return Equation(
        rf"\frac{{\partial E}}{{\partial w{_m(layer)}_{{{row},{column}}}}} = \sum_{{n=1}}^{{N}} "
        rf"{_d(layer)}_{{n,{row}}}\, z{_m(below)}_{{n,{column}}}, \qquad "
        rf"\frac{{\partial E}}{{\partial b{_m(layer)}_{row}}} = \sum_{{n=1}}^{{N}} {_d(layer)}_{{n,{row}}}",
        rf"{bounds} As matrices: ${{{_d(layer)}}}^{{\top}} \mathbf{{Z}}{_m(below)}$, and the sum of the rows of "
        rf"${_d(layer)}$.",
    )


def _fully_connected() -> Iterator[Equation]:
    yield _weights("fc2", "relu", "k", "j", r"$1 \le k \le 10$, $1 \le j \le 500$.")
    yield Equation(
        rf"{_d('relu')}_{{n,j}} = \sum_{{k=1}}^{{10}} {_d('fc2')}_{{n,k}}\, w{_m('fc2')}_{{k,j}}",
        rf"$1 \le j \le 500$: back along the same weights. As matrices: ${_d('relu')} = {_d('fc2')} "
        rf"\mathbf{{W}}{_m('fc2')}$.",
    )
    yield Equation(
        rf"{_d('fc1')}_{{n,j}} = \begin{{cases}} {_d('relu')}_{{n,j}} & z{_m('fc1')}_{{n,j}} > 0 \\ 0 & "
        r"\mathrm{else} \end{cases}",
        r"$1 \le j \le 500$. ReLU lets through what it let through on the way up.",
    )
    yield _weights("fc1", "reshape", "j", "i", r"$1 \le j \le 500$, $1 \le i \le 2880$.")
    yield Equation(
        rf"{_d('reshape')}_{{n,i}} = \sum_{{j=1}}^{{500}} {_d('fc1')}_{{n,j}}\, w{_m('fc1')}_{{j,i}}",
        r"$1 \le i \le 2880$.",
    )


def _convolution() -> Iterator[Equation]:
    yield Equation(
        rf"{_d('pool')}_{{n,c,m,l}} = {_d('reshape')}_{{n,i}}, \qquad i = (c-1) \cdot 12 \cdot 12 + (m-1) \cdot 12 + l",
        r"$1 \le c \le 20$, $1 \le m, l \le 12$: the row is folded back into maps.",
    )
    yield Equation(
        rf"{_d('conv')}_{{n,c,p,q}} = \begin{{cases}} {_d('pool')}_{{n,c,m,l}} & (p,q)\ "
        r"\text{maximum of its square } (m,l) \\ 0 & \mathrm{else} \end{cases}",
        r"$1 \le p, q \le 24$, $m = \lceil p/2 \rceil$, $l = \lceil q/2 \rceil$. Only the largest number of a 2×2 "
        "square moved the pool, so it alone gets its gradient (the first of equals).",
    )
    yield Equation(
        rf"\frac{{\partial E}}{{\partial w{_m('conv')}_{{o,c,i,j}}}} = \sum_{{n=1}}^{{N}} \sum_{{m=1}}^{{24}} "
        rf"\sum_{{l=1}}^{{24}} {_d('conv')}_{{n,o,m,l}}\, x_{{n,c,m+i-1,l+j-1}}",
        r"$1 \le o \le 20$, $c = 1$, $1 \le i, j \le 5$. A weight of a filter met every window, so its gradient is a "
        "sum over all of them: itself a convolution of the image with $\\delta$. As matrices: "
        r"$\sum_n \delta_n \mathbf{X}_n^{\top}$, with the columns $\mathbf{X}_n$ of the forward pass.",
    )
    yield Equation(
        rf"\frac{{\partial E}}{{\partial b{_m('conv')}_o}} = \sum_{{n=1}}^{{N}} \sum_{{m=1}}^{{24}} "
        rf"\sum_{{l=1}}^{{24}} {_d('conv')}_{{n,o,m,l}}",
        r"$1 \le o \le 20$. The bias was added everywhere, so it gathers everything.",
    )
    yield Equation(
        rf"{_d('input')}_{{n,c,p,q}} = \sum_{{o=1}}^{{20}} \sum_{{i=1}}^{{5}} \sum_{{j=1}}^{{5}} "
        rf"{_d('conv')}_{{n,o,p-i+1,q-j+1}}\, w{_m('conv')}_{{o,c,i,j}}",
        r"$c = 1$, $1 \le p, q \le 28$; terms whose $p-i+1$ or $q-j+1$ is not in 1 … 24 are 0. A pixel was part of up "
        "to 25 windows. Training does not need it; it says which pixels the loss depends on.",
    )
