r"""SimpleConvNet's forward pass in formulas: every sum with its bounds, every layer with its sizes.

    z^(conv)[n,o,m,l] = b[o] + Σ_{c=1}^{1} Σ_{i=1}^{5} Σ_{j=1}^{5} x[n,c,m+i−1,l+j−1] w[o,c,i,j]        1 ≤ m, l ≤ 24

The sizes are those of SimpleConvNet on 28×28 pixels: C = 1, 20 filters of K = 5, stride 1, P = 0; pool K = 2, stride 2;
2880 → 500 → 10.

Source: A. Chernodub, "Homework for the deep learning class", 2019, equations (1) to (5), tasks 1 and 2.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from underhood.report.document import Code, Equation
from underhood.tables import Column, Table


@dataclass(frozen=True)
class LayerFormulas:
    """A layer's two forms, what stands by them, and the functions that compute it (underhood.engine.by_hand)."""

    title: str
    scalar: str
    bounds: str
    vector: tuple[tuple[str, str], ...]
    scalar_function: str
    vector_function: str
    weights: str = "none"


def _m(name: str) -> str:
    return rf"^{{(\mathrm{{{name}}})}}"


LAYERS = {
    "conv": LayerFormulas(
        "Convolution",
        rf"z{_m('conv')}_{{n,o,m,l}} = b{_m('conv')}_o + \sum_{{c=1}}^{{1}} \sum_{{i=1}}^{{5}} \sum_{{j=1}}^{{5}} "
        rf"x_{{n,c,m+i-1,l+j-1}}\, w{_m('conv')}_{{o,c,i,j}}",
        r"$1 \le n \le N$, $1 \le o \le 20$, $1 \le m, l \le 24$. $C = 1$ channel, $K = 5$, stride $S = 1$, padding "
        r"$P = 0$: $(28 + 2 \cdot 0 - 5)/1 + 1 = 24$.",
        (
            (
                r"\mathbf{X}^{(c)} = \begin{pmatrix} x_{c,1,1} & x_{c,1,2} & \cdots & x_{c,24,24} \\ "
                r"x_{c,1,2} & x_{c,1,3} & \cdots & x_{c,24,25} \\ \vdots & \vdots & & \vdots \\ "
                r"x_{c,5,5} & x_{c,5,6} & \cdots & x_{c,28,28} \end{pmatrix}",
                r"im2col, of one image (its $n$ left out): each of the $24 \cdot 24 = 576$ windows is a column, each "
                r"of its $5 \cdot 5 = 25$ pixels a row, so $\mathbf{X}^{(c)}$ is $25 \times 576$: "
                r"$X^{(c)}_{5(i-1)+j,\ 24(m-1)+l} = x_{c,m+i-1,l+j-1}$.",
            ),
            (
                rf"\mathbf{{Z}}{_m('conv')} = \mathbf{{b}}\,\mathbf{{1}}^{{\top}} + \sum_{{c=1}}^{{1}} "
                r"\mathbf{W}^{(c)} \mathbf{X}^{(c)}",
                r"Columns of $K \cdot K$ numbers: one product a channel, $(20 \times 25) \cdot (25 \times 576) = "
                r"20 \times 576$, and the products are added. Row $o$ of $\mathbf{W}^{(c)}$ is filter $o$ on channel "
                "$c$, read row by row.",
            ),
            (
                rf"\mathbf{{Z}}{_m('conv')} = \mathbf{{b}}\,\mathbf{{1}}^{{\top}} + "
                r"\begin{pmatrix} \mathbf{W}^{(1)} & \cdots & \mathbf{W}^{(C)} \end{pmatrix} "
                r"\begin{pmatrix} \mathbf{X}^{(1)} \\ \vdots \\ \mathbf{X}^{(C)} \end{pmatrix}",
                r"Columns of $C \cdot K \cdot K$ numbers: all channels under each other, one product for all, "
                r"$(20 \times C \cdot 25) \cdot (C \cdot 25 \times 576) = 20 \times 576$. With the one channel of "
                "SimpleConvNet both are the same; the example with two channels tells them apart.",
            ),
        ),
        "conv2d_scalar",
        "conv2d_vector",
        "w: 20×1×5×5, b: 20",
    ),
    "pool": LayerFormulas(
        "Max-pooling",
        rf"\begin{{aligned}} z{_m('pool')}_{{n,c,m,l}} = \max( & z{_m('conv')}_{{n,c,2m-1,2l-1}},\ "
        rf"z{_m('conv')}_{{n,c,2m-1,2l}}, \\ & z{_m('conv')}_{{n,c,2m,2l-1}},\ z{_m('conv')}_{{n,c,2m,2l}}) "
        r"\end{aligned}",
        r"$1 \le n \le N$, $1 \le c \le 20$, $1 \le m, l \le 12$. $K = 2$, stride $S = 2$, padding $P = 0$: "
        r"$(24 + 2 \cdot 0 - 2)/2 + 1 = 12$.",
        (
            (
                rf"\mathbf{{Z}}{_m('pool')} = \max(\mathbf{{A}}_{{\mathrm{{odd,odd}}}}, "
                r"\mathbf{A}_{\mathrm{odd,even}}, \mathbf{A}_{\mathrm{even,odd}}, \mathbf{A}_{\mathrm{even,even}})",
                rf"Four quarter images of every channel of $\mathbf{{Z}}{_m('conv')}$, $12 \times 12$ each (odd or "
                "even rows, odd or even columns), compared number by number.",
            ),
        ),
        "pool2d_scalar",
        "pool2d_vector",
    ),
    "reshape": LayerFormulas(
        "Reshape",
        rf"z{_m('reshape')}_{{n,j}} = z{_m('pool')}_{{n,c,m,l}}, \qquad "
        r"j = (c-1) \cdot 12 \cdot 12 + (m-1) \cdot 12 + l",
        r"$1 \le n \le N$, $1 \le c \le 20$, $1 \le m, l \le 12$, so $1 \le j \le 20 \cdot 12 \cdot 12 = 2880$.",
        (
            (
                rf"\mathbf{{z}}{_m('reshape')} = \mathrm{{vec}}(\mathbf{{Z}}{_m('pool')})",
                "The same numbers in one row: channel after channel, row after row.",
            ),
        ),
        "reshape_scalar",
        "reshape_vector",
    ),
    "fc1": LayerFormulas(
        "Fully connected layer 1",
        rf"z{_m('fc1')}_{{n,j}} = b{_m('fc1')}_j + \sum_{{i=1}}^{{2880}} "
        rf"w{_m('fc1')}_{{j,i}}\, z{_m('reshape')}_{{n,i}}",
        r"$1 \le n \le N$, $1 \le j \le 500$.",
        (
            (
                rf"\mathbf{{Z}}{_m('fc1')} = \mathbf{{Z}}{_m('reshape')} {{\mathbf{{W}}{_m('fc1')}}}^{{\top}} + "
                rf"\mathbf{{1}}\,{{\mathbf{{b}}{_m('fc1')}}}^{{\top}}",
                r"A row an image, $(N \times 2880) \cdot (2880 \times 500) = N \times 500$; the bias is added to every "
                "row.",
            ),
        ),
        "fc_layer_scalar",
        "fc_layer_vector",
        "w: 500×2880, b: 500",
    ),
    "relu": LayerFormulas(
        "ReLU",
        rf"z{_m('relu')}_{{n,j}} = \max(z{_m('fc1')}_{{n,j}},\ 0)",
        r"$1 \le n \le N$, $1 \le j \le 500$. What is negative becomes 0.",
        ((rf"\mathbf{{Z}}{_m('relu')} = \max(\mathbf{{Z}}{_m('fc1')},\ 0)", "Number by number, $N \\times 500$."),),
        "relu_scalar",
        "relu_vector",
    ),
    "fc2": LayerFormulas(
        "Fully connected layer 2",
        rf"z{_m('fc2')}_{{n,k}} = b{_m('fc2')}_k + \sum_{{i=1}}^{{500}} w{_m('fc2')}_{{k,i}}\, z{_m('relu')}_{{n,i}}",
        r"$1 \le n \le N$, $1 \le k \le 10$: a score for each class.",
        (
            (
                rf"\mathbf{{Z}}{_m('fc2')} = \mathbf{{Z}}{_m('relu')} {{\mathbf{{W}}{_m('fc2')}}}^{{\top}} + "
                rf"\mathbf{{1}}\,{{\mathbf{{b}}{_m('fc2')}}}^{{\top}}",
                r"$(N \times 500) \cdot (500 \times 10) = N \times 10$.",
            ),
        ),
        "fc_layer_scalar",
        "fc_layer_vector",
        "w: 10×500, b: 10",
    ),
    "softmax": LayerFormulas(
        "Softmax",
        rf"y_{{n,k}} = \frac{{e^{{z{_m('fc2')}_{{n,k}}}}}}{{\sum_{{q=1}}^{{10}} e^{{z{_m('fc2')}_{{n,q}}}}}}",
        r"$1 \le n \le N$, $1 \le k \le 10$. Scores become probabilities: positive, adding up to 1.",
        (
            (
                rf"\mathbf{{y}}_n = \frac{{e^{{\mathbf{{z}}{_m('fc2')}_n}}}}"
                rf"{{e^{{\mathbf{{z}}{_m('fc2')}_n}}\, \mathbf{{1}}}}",
                "One row; the product with a column of ones is the sum.",
            ),
        ),
        "softmax_scalar",
        "softmax_vector",
    ),
}

PROGRAM = """
from underhood.engine.by_hand import *

z_conv = conv2d_vector(x, w["conv.weight"], w["conv.bias"], columns="K·K")
z_pool = pool2d_vector(z_conv)
z_reshape = reshape_vector(z_pool)
z_fc1 = fc_layer_vector(z_reshape, w["fc1.weight"], w["fc1.bias"])
z_relu = relu_vector(z_fc1)
z_fc2 = fc_layer_vector(z_relu, w["fc2.weight"], w["fc2.bias"])
y = softmax_vector(z_fc2)
"""
PROGRAMS = (
    'The same as a program. With `_scalar` for `_vector` (and no `columns`) it is the scalar form; `columns="C·K·K"` '
    "is the other vector form. `diff_mse(z, other)` tells how far two results are apart."
)


def network(sizes: dict[str, str]) -> Iterator[Any]:
    """The whole network: a table of its sizes and functions, each layer's formulas, the same as a program."""
    yield _overview(sizes)
    for name, layer in LAYERS.items():
        yield f"**{layer.title}** gives {sizes[name]}; `{layer.scalar_function}` and `{layer.vector_function}`."
        yield Equation(layer.scalar, layer.bounds)
        for latex, note in layer.vector:
            yield Equation(latex, note)
    yield Code(PROGRAM.strip(), PROGRAMS)


def _overview(sizes: dict[str, str]) -> Table:
    """The evolution of the input: each layer's size, and who computes it."""
    rows: list[dict[str, Any]] = [{"layer": "input", "size": sizes["input"]}]
    rows += [
        {
            "layer": name,
            "size": sizes[name],
            "weights": layer.weights,
            "scalar": layer.scalar_function,
            "vector": layer.vector_function,
        }
        for name, layer in LAYERS.items()
    ]
    columns = [
        Column("layer", "Layer", align="left"),
        Column("size", "Size of its output", align="left"),
        Column("weights", "Weights", align="left"),
        Column("scalar", "Scalar form", align="left"),
        Column("vector", "Vector form", align="left"),
    ]
    foot = [
        "Sizes are images (N) × channels × rows × columns, or images × numbers. Functions: underhood.engine.by_hand."
    ]
    return Table("The way of the input", columns, rows, foot, name="sizes")
