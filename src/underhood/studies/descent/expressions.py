r"""An expression in x that a user types, read without running it: `x * sigmoid(1.702 * x)`.

    f = parse("x * sigmoid(1.702 * x)")
    f(x, functions)        its value for a tensor x of either library, or a number
    f.latex                x\,\sigma(1.702\,x)

Python's grammar reads the text; of the tree only numbers, x, pi, e, + − · / **, and the functions in FUNCTIONS
are understood, and everything else is refused by name. Nothing is ever evaluated by Python itself.
"""

import ast
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from underhood.errors import BadInput, nearest
from underhood.studies.by_hand.worked import number

# The package's functions of one number; beside x they take torch's arguments, as elu(x, alpha=0.5).
FUNCTIONS = (
    "abs", "celu", "clamp", "cos", "elu", "erf", "exp", "expm1", "gelu", "hardshrink", "hardsigmoid", "hardswish",
    "hardtanh", "leaky_relu", "log", "log10", "log1p", "log2", "logsigmoid", "mish", "reciprocal", "relu", "relu6",
    "rsqrt", "selu", "sigmoid", "silu", "sin", "softplus", "softshrink", "softsign", "sqrt", "square", "tanh",
    "tanhshrink",
)  # fmt: skip
CONSTANTS = {"pi": math.pi, "e": math.e}
OPERATORS: dict[type, tuple[Callable[[Any, Any], Any], str, int]] = {  # what it does, its LaTeX, how tight it binds
    ast.Add: (operator.add, "{} + {}", 1),
    ast.Sub: (operator.sub, "{} - {}", 1),
    ast.Mult: (operator.mul, r"{}\,{}", 2),
    ast.Div: (operator.truediv, r"\frac{{{}}}{{{}}}", 4),
    ast.Pow: (operator.pow, "{{{}}}^{{{}}}", 3),
}
NAMED = {"sigmoid": r"\sigma", "log": r"\ln", "sin": r"\sin", "cos": r"\cos", "tanh": r"\tanh"}
LONGEST = 200  # letters


@dataclass(frozen=True)
class Expression:
    """A text that was read, and its tree."""

    text: str
    tree: ast.expr

    def __call__(self, x: Any, functions: Callable[[str], Callable[..., Any]]) -> Any:
        """The value at x; `functions(name)` gives the function of that name."""
        return _value(self.tree, x, functions)

    def parts(self) -> Iterator["Expression"]:
        """What is computed on the way, from the inside out; the whole comes last."""
        seen = set()
        for node in _inside_out(self.tree):
            text = ast.unparse(node)
            if text not in seen:
                seen.add(text)
                yield Expression(text, node)

    @cached_property
    def latex(self) -> str:
        return _latex(self.tree)[0]


def parse(text: str) -> Expression:
    """The expression that `text` says; a function's name alone, `silu`, means `silu(x)`. Raises BadInput."""
    text = " ".join(text.split())
    if len(text) > LONGEST:
        raise BadInput(f"is {len(text)} letters long; {LONGEST} is the most")
    if text in FUNCTIONS:
        text = f"{text}(x)"
    try:
        tree = ast.parse(text.replace("^", "**"), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise BadInput(f'"{text}" is no expression; write it as x * sigmoid(1.702 * x)') from None
    _check(tree)
    if not _has_x(tree):
        raise BadInput(f'"{text}" has no x in it')
    return Expression(ast.unparse(tree), tree)


def _check(node: ast.expr) -> None:
    """Refuse whatever is not understood, by name."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return
        case ast.Name(id=name):
            if name != "x" and name not in CONSTANTS:
                raise BadInput(f'unknown "{name}"; {nearest(name, ["x", *CONSTANTS, *FUNCTIONS])}')
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=inside):
            _check(inside)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            _check(left)
            _check(right)
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=keywords):
            if name not in FUNCTIONS:
                raise BadInput(f'unknown function "{name}"; {nearest(name, list(FUNCTIONS))}')
            _check(argument)
            for keyword in keywords:
                _option(keyword)
        case ast.Call(func=ast.Name(id=name)):
            raise BadInput(f"{name}: takes one expression, and options by name, as elu(x, alpha=0.5)")
        case _:
            raise BadInput(f'"{ast.unparse(node)}" is not understood; there are + - * / **, numbers, x and functions')


def _option(keyword: ast.keyword) -> Any:
    """An option's value: a number or a text."""
    value = keyword.value
    sign = -1 if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub) else 1
    inside = value.operand if isinstance(value, ast.UnaryOp) else value
    if keyword.arg is None or not isinstance(inside, ast.Constant):
        raise BadInput(f'"{ast.unparse(value)}" is no option; write it as elu(x, alpha=0.5)')
    if isinstance(inside.value, str):
        return inside.value
    if isinstance(inside.value, bool) or not isinstance(inside.value, int | float):
        raise BadInput(f'option {keyword.arg}: "{ast.unparse(value)}" is neither number nor text')
    return sign * inside.value


def _value(node: ast.expr, x: Any, functions: Callable[[str], Callable[..., Any]]) -> Any:
    match node:
        case ast.Constant(value=value):
            return float(value)  # type: ignore[arg-type]
        case ast.Name(id=name):
            return x if name == "x" else CONSTANTS[name]
        case ast.UnaryOp(op=op, operand=inside):
            value = _value(inside, x, functions)
            return -value if isinstance(op, ast.USub) else value
        case ast.BinOp(left=left, op=op, right=right):
            return OPERATORS[type(op)][0](_value(left, x, functions), _value(right, x, functions))
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=keywords):
            options = {str(keyword.arg): _option(keyword) for keyword in keywords}
            inside = _value(argument, x, functions)
            if isinstance(inside, float):
                inside = inside + 0 * x  # functions take tensors
            return functions(name)(inside, **options)
    raise AssertionError(ast.dump(node))  # `_check` lets nothing else through


def _inside_out(node: ast.expr) -> Iterator[ast.expr]:
    """Every computation on x below a node, operands first, and the node itself; signs, numbers and x are none."""
    match node:
        case ast.UnaryOp(operand=inside):
            yield from _inside_out(inside)
            return
        case ast.BinOp(left=left, right=right):
            yield from _inside_out(left)
            yield from _inside_out(right)
        case ast.Call(args=[argument]):
            yield from _inside_out(argument)
        case _:
            return
    if _has_x(node):
        yield node


def _has_x(node: ast.expr) -> bool:
    return any(isinstance(each, ast.Name) and each.id == "x" for each in ast.walk(node))


def _latex(node: ast.expr) -> tuple[str, int]:
    """A node's LaTeX, and how tightly its outermost sign binds."""
    match node:
        case ast.Constant(value=value):
            return number(float(value), 8), 5  # type: ignore[arg-type]
        case ast.Name(id=name):
            return {"pi": r"\pi"}.get(name, name), 5
        case ast.UnaryOp(op=op, operand=inside):
            sign = "-" if isinstance(op, ast.USub) else ""
            return f"{sign}{_tight(inside, 2)}", 1
        case ast.BinOp(left=left, op=op, right=right):
            _, spelling, binding = OPERATORS[type(op)]
            if isinstance(op, ast.Div):
                return spelling.format(_latex(left)[0], _latex(right)[0]), binding
            if isinstance(op, ast.Pow):
                return spelling.format(_tight(left, 5), _latex(right)[0]), binding
            if isinstance(op, ast.Mult) and isinstance(right, ast.Constant):
                spelling = r"{} \cdot {}"
            return spelling.format(_tight(left, binding), _tight(right, binding + isinstance(op, ast.Sub))), binding
        case ast.Call(func=ast.Name(id="exp"), args=[argument]):
            return f"e^{{{_latex(argument)[0]}}}", 3
        case ast.Call(func=ast.Name(id="sqrt"), args=[argument]):
            return rf"\sqrt{{{_latex(argument)[0]}}}", 5
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=keywords):
            named = NAMED.get(name) or _upright(name)
            options = "".join(f", {_upright(str(each.arg))} = {_upright(_option(each))}" for each in keywords)
            return f"{named}({_latex(argument)[0]}{options})", 5
    raise AssertionError(ast.dump(node))


def _upright(word: Any) -> str:
    """A word in upright letters, not one italic letter after the other; a number as it is."""
    return r"\mathrm{" + word.replace("_", r"\_") + "}" if isinstance(word, str) else str(word)


def _tight(node: ast.expr, binding: int) -> str:
    """A node's LaTeX, in brackets when its sign binds less than that."""
    latex, own = _latex(node)
    return latex if own >= binding else f"({latex})"


def of_engine(name: str) -> Callable[..., Any]:
    """The engine's function of that name."""
    from underhood.engine import functional

    function: Callable[..., Any] = getattr(functional, name)
    return function


def of_torch(torch: Any) -> Callable[[str], Callable[..., Any]]:
    """PyTorch's functions by name; GELU's sigmoid curve, which it lacks, is x·σ(1.702x)."""
    functional = torch.nn.functional
    lacking: Mapping[str, Callable[..., Any]] = {
        "gelu": lambda x, approximate="none": (
            x * torch.sigmoid(1.702 * x) if approximate == "sigmoid" else functional.gelu(x, approximate=approximate)
        )
    }

    def named(name: str) -> Callable[..., Any]:
        found: Callable[..., Any] = lacking.get(name) or getattr(functional, name, None) or getattr(torch, name)
        return found

    return named
