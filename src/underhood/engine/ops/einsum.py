"""Sums of products, written with letters: einsum("ij,jk->ik", a, b) is the matrix product.

    z[out] = Σ over the letters that are not in `out` of Π_t x_t[letters of t]

    x_t: any shapes; a letter has one length wherever it stands, or 1, which is read as often as needed

    ∂E/∂x_t = the sum of products of δ and all the other x, with the letters of x_t left

A letter twice in one input is its diagonal; `...` stands for the axes without letters, which broadcast. Without
`->` the letters that stand once come out, in the order of the alphabet.

Source: Einstein 1916. PyTorch: torch.einsum.
"""

import re
from typing import Any

import numpy as np

from underhood.engine.axes import axis
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.ops.diagonal import diagonal
from underhood.engine.ops.permute import movedim
from underhood.engine.ops.reshape import squeeze
from underhood.engine.tensor import Tensor, apply

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def einsum(*args: Any) -> Tensor:
    """`einsum(equation, *operands)`, or `einsum(operand, letters as numbers, …, output letters)`."""
    equation, operands = _as_equation(args)
    left, arrow, out = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise RuntimeError(
            f"einsum(): the equation {equation!r} names {len(terms)} operands, but {len(operands)} were given"
        )
    if bad := re.sub(r"[a-zA-Z.]", "", "".join(terms) + out):
        raise RuntimeError(f"einsum(): invalid subscript given, {bad[0]!r} in {equation!r}, subscripts are letters")
    for term in [*terms, out]:
        if re.sub(r"\.\.\.", "", term, count=1).count("."):
            raise RuntimeError(f"einsum(): found '.' in {equation!r} that is not part of any ellipsis")
    named = [
        _without_ellipsis(term, x.ndim, i, equation) for i, (term, x) in enumerate(zip(terms, operands, strict=True))
    ]
    dots = max((extra for _, extra in named), default=0)
    spare = [letter for letter in LETTERS if letter not in left + out][:dots]
    axes_of = [term.replace("...", "".join(spare[dots - extra :])) for term, extra in named]
    out_letters = _output(out, arrow, axes_of, spare, equation)
    operands, axes_of = _plain(operands, axes_of, equation)
    return apply(ENTRY, *operands, equation=f"{','.join(axes_of)}->{out_letters}")


def _as_equation(args: tuple[Any, ...]) -> tuple[str, list[Tensor]]:
    """Either way to call as an equation and its operands."""
    if isinstance(args[0], str):
        operands = args[1] if len(args) == 2 and isinstance(args[1], list | tuple) else args[1:]
        if not operands:
            raise ValueError("einsum(): must provide at least one operand")
        return args[0], list(operands)

    def text(numbers: Any) -> str:
        wrong = [n for n in numbers if n is not Ellipsis and not 0 <= n < len(LETTERS)]
        if wrong:
            raise ValueError(f"einsum(): subscripts must be within [0, {len(LETTERS)}), got {wrong[0]}")
        return "".join("..." if n is Ellipsis else LETTERS[n] for n in numbers)

    pairs = len(args) // 2
    equation = ",".join(text(args[2 * i + 1]) for i in range(pairs))
    return equation + (f"->{text(args[-1])}" if len(args) % 2 else ""), [args[2 * i] for i in range(pairs)]


def _without_ellipsis(term: str, ndim: int, i: int, equation: str) -> tuple[str, int]:
    """The term, and for how many axes its ellipsis stands."""
    letters = len(term.replace("...", ""))
    if "..." in term and ndim >= letters:
        return term, ndim - letters
    if "..." in term or ndim != letters:
        raise RuntimeError(
            f"einsum(): the number of subscripts in {equation!r} ({letters}) does not match the number of dimensions "
            f"({ndim}) for operand {i}"
        )
    return term, 0


def _output(out: str, arrow: str, axes_of: list[str], spare: list[str], equation: str) -> str:
    everything = "".join(axes_of)
    if not arrow:
        return "".join(spare) + "".join(sorted(c for c in set(everything) - set(spare) if everything.count(c) == 1))
    letters = out.replace("...", "".join(spare))
    for c in letters:
        if letters.count(c) > 1:
            raise RuntimeError(f"einsum(): output subscript {c} appears more than once in the output of {equation!r}")
        if c not in everything:
            raise RuntimeError(
                f"einsum(): output subscript {c} does not appear in the equation for any input operand: {equation!r}"
            )
    return letters


def _plain(operands: list[Tensor], axes_of: list[str], equation: str) -> tuple[list[Tensor], list[str]]:
    """Every letter once an operand, and only where it has its full length."""
    lengths: dict[str, int] = {}
    for x, letters in zip(operands, axes_of, strict=True):
        for c, n in zip(letters, x.shape, strict=True):
            if n != 1 and lengths.get(c, 1) not in (1, n):
                raise RuntimeError(
                    f"einsum(): subscript {c} has size {n} in one operand of {equation!r}, which does not broadcast "
                    f"with previously seen size {lengths[c]}"
                )
            lengths[c] = n if n != 1 else lengths.get(c, 1)
    plain = []
    for i, x in enumerate(operands):
        letters = axes_of[i]
        while repeated := next((c for c in letters if letters.count(c) > 1), ""):
            first = letters.index(repeated)
            second = letters.index(repeated, first + 1)
            if x.shape[first] != x.shape[second]:
                raise RuntimeError(
                    f"einsum(): subscript {repeated} is repeated for operand {i} but the sizes don't match, "
                    f"{x.shape[second]} != {x.shape[first]}"
                )
            x = movedim(diagonal(x, 0, first, second), -1, axis(first, x.ndim - 1))
            letters = letters[:second] + letters[second + 1 :]
        stretched = [at for at, c in enumerate(letters) if x.shape[at] == 1 and lengths[c] != 1]
        plain.append(squeeze(x, tuple(stretched)) if stretched else x)
        axes_of[i] = "".join(c for at, c in enumerate(letters) if at not in stretched)
    return plain, axes_of


def vector(*x: Array, equation: str) -> Array:
    return np.asarray(np.einsum(equation, *x, optimize=len(x) > 1), x[0].dtype)


def vector_backward(dz: Array, z: Array, *x: Array, equation: str, needs: tuple[bool, ...] = ()) -> Any:
    left, _, out = equation.partition("->")
    terms = left.split(",")
    gradients: list[Array | None] = []
    for i, letters in enumerate(terms):
        if needs and not needs[i]:
            gradients.append(None)
            continue
        others = [(t, a) for k, (t, a) in enumerate(zip(terms, x, strict=True)) if k != i]
        there = set(out).union(*(t for t, _ in others))
        kept = "".join(c for c in letters if c in there)
        d = vector(dz, *(a for _, a in others), equation=f"{','.join([out, *(t for t, _ in others)])}->{kept}")
        shape = [n if c in there else 1 for c, n in zip(letters, x[i].shape, strict=True)]
        gradients.append(np.array(np.broadcast_to(d.reshape(shape), x[i].shape)))
    return tuple(gradients)


def samples(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal
    return [
        Sample((n(size=(3, 4)), n(size=(4, 2))), {"equation": "ij,jk->ik"}, "a matrix product"),
        Sample((n(size=(2, 3, 4)), n(size=(2, 4, 5)), n(size=(5,))), {"equation": "nij,njk,k->ni"}, "three"),
        Sample((n(size=(3, 4)),), {"equation": "ij->"}, "a sum"),
        Sample((n(size=(3,)), n(size=(4,))), {"equation": "i,j->ji"}, "an outer product"),
        Sample((n(size=(4, 3)).T, n(size=(4, 6))[:, ::2]), {"equation": "ij,jk->ki"}, "non-contiguous"),
        Sample((n(size=(0, 4)), n(size=(4, 2))), {"equation": "ij,jk->ik"}, "empty"),
    ]


def _by_torch(einsum: Any, *x: Any, equation: str) -> Any:
    return einsum(equation, *x)


ENTRY = Operation(
    "einsum",
    einsum,
    vector=Form(vector, vector_backward),
    reference="torch.einsum",
    ask=_by_torch,
    saves=("x",),
    samples=samples,
)
