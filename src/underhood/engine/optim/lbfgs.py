"""L-BFGS: Newton's step with a Hessian guessed from the last few gradients.

    s = the last step, y = the change of the gradient over it, ρ = 1/(y·s)            the last m triples are kept
    q = −g;   newest to oldest:  α = ρ s·q,  q ← q − α y
    r = q · (s·y)/(y·y);   oldest to newest:  r ← r + (α − ρ y·r) s
    d = r,   w ← w + t d

d is −H g without H ever being written down: its m rank-two corrections are applied one by one (the two-loop
recursion). t is η, at the very first step η min(1, 1/Σ|g|), or what a line search for the strong Wolfe conditions finds
from there. All parameters are one long vector. One `step(closure)` makes up to `max_iter` of these iterations, and
calls the closure, which computes loss and gradients anew, up to `max_eval` times.

Source: Nocedal 1980; Liu & Nocedal 1989, "On the limited memory BFGS method for large scale optimization". PyTorch:
torch.optim.LBFGS, with its tests for the end. The state is PyTorch's too.
"""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np

from underhood.engine.forms import Array
from underhood.engine.grad_mode import enable_grad, no_grad
from underhood.engine.optim.line_search import Point, strong_wolfe
from underhood.engine.optim.optimizer import Optimizer, at_least_zero
from underhood.engine.tensor import Tensor

CURVED = 1e-10  # a pair with y·s no larger is not kept


class LBFGS(Optimizer):
    """`lr` η, `history_size` m; `line_search_fn` None or "strong_wolfe"."""

    scalars: ClassVar = {
        "func_evals": int,
        "n_iter": int,
        "t": float,
        "H_diag": float,
        "prev_loss": float,
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        at_least_zero(learning_rate=lr)
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Up to `max_iter` iterations; returns the loss before them."""
        if closure is None:
            raise TypeError("LBFGS.step() needs a closure that computes the loss and its gradients anew")
        self.stepped = True
        group = self.param_groups[0]
        params = group["params"]
        state = self.state.setdefault(params[0], {"func_evals": 0, "n_iter": 0})
        with no_grad():
            loss, f = self._call(closure)
            evals = 1
            state["func_evals"] += 1
            g = _gathered(params)
            if np.abs(g).max(initial=0) <= group["tolerance_grad"]:
                return loss
            for iteration in range(1, group["max_iter"] + 1):
                state["n_iter"] += 1
                first = state["n_iter"] == 1
                d = self._direction(state, g, group["history_size"])
                state["prev_flat_grad"], state["prev_loss"], state["d"] = Tensor(g.copy()), f, Tensor(d)
                state["t"] = (min(1.0, 1.0 / float(np.abs(g).sum())) if first else 1) * group["lr"]
                if float(g @ d) > -group["tolerance_change"]:
                    break
                last = iteration == group["max_iter"]
                f, g, count = self._move(closure, params, group, state, d, Point(0, f, g, float(g @ d)), evals, last)
                evals += count
                state["func_evals"] += count
                if last or evals >= group["max_eval"] or self._settled(group, state, g, f):
                    break
        return loss

    def chosen(self, group: dict[str, Any]) -> tuple[Callable[..., Any], tuple[str, ...]]:
        raise NotImplementedError("LBFGS has no rule for one weight, so no plan can take it; call step(closure)")

    def _call(self, closure: Callable[[], Any]) -> tuple[Any, float]:
        with enable_grad():
            loss = closure()
        return loss, float(loss)

    def _direction(self, state: dict[str, Any], g: Array, size: int) -> Array:
        """−H g, after this gradient has been told to the history."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return -g
        ys, ss, rhos = state["old_dirs"], state["old_stps"], state["ro"]
        y, s = g - state["prev_flat_grad"].array, state["d"].array * g.dtype.type(state["t"])
        curvature = float(y @ s)
        if curvature > CURVED:
            if len(ys) == size:
                for kept in (ys, ss, rhos):
                    kept.pop(0)
            ys.append(Tensor(y))
            ss.append(Tensor(s))
            rhos.append(1.0 / curvature)
            state["H_diag"] = curvature / float(y @ y)
        q, alphas = -g, []
        for y_i, s_i, rho in zip(reversed(ys), reversed(ss), reversed(rhos), strict=True):
            alphas.append(float(s_i.array @ q) * rho)
            q = q - g.dtype.type(alphas[-1]) * y_i.array
        r = q * g.dtype.type(state["H_diag"])
        for y_i, s_i, rho, alpha in zip(ys, ss, rhos, reversed(alphas), strict=True):
            r = r + g.dtype.type(alpha - float(y_i.array @ r) * rho) * s_i.array
        return np.asarray(r)

    def _move(
        self,
        closure: Callable[[], Any],
        params: list[Tensor],
        group: dict[str, Any],
        state: dict[str, Any],
        d: Array,
        start: Point,
        evals: int,
        last: bool,
    ) -> tuple[float, Array, int]:
        """w ← w + t d; the loss and gradient there, and how many evaluations they took."""
        if group["line_search_fn"] is None:
            _add(params, state["t"], d)
            if last:
                return start.f, start.g, 0
            return self._call(closure)[1], _gathered(params), 1
        if group["line_search_fn"] != "strong_wolfe":
            raise RuntimeError("only 'strong_wolfe' is supported")
        before = [p.array.copy() for p in params]

        def evaluate(t: float) -> Point:
            _add(params, t, d)
            f, g = self._call(closure)[1], _gathered(params)
            for p, old in zip(params, before, strict=True):
                p.array[...] = old
            return Point(t, f, g, float(g @ d))

        largest, left = float(np.abs(d).max()), group["max_eval"] - evals
        end, count = strong_wolfe(evaluate, start, state["t"], largest, group["tolerance_change"], left)
        state["t"] = end.t
        _add(params, end.t, d)
        return end.f, end.g, count

    def _settled(self, group: dict[str, Any], state: dict[str, Any], g: Array, f: float) -> bool:
        """Whether the gradient is small, or the weights or the loss hardly move."""
        moved = float(np.abs(state["d"].array * state["t"]).max())
        return bool(
            np.abs(g).max() <= group["tolerance_grad"]
            or moved <= group["tolerance_change"]
            or abs(f - state["prev_loss"]) < group["tolerance_change"]
        )

    def _kept(self, key: str, value: Any, p: Tensor) -> Any:
        if key == "ro":
            return [float(rho) for rho in value]
        if isinstance(value, list):
            return [super(LBFGS, self)._kept(key, x, p) for x in value if x is not None]
        return super()._kept(key, value, p)


def _gathered(params: list[Tensor]) -> Array:
    """All gradients as one vector, 0 where there is none."""
    parts = [np.zeros(p.array.size, p.dtype) if p.grad is None else p.grad.array.reshape(-1) for p in params]
    return np.concatenate(parts)


def _add(params: list[Tensor], t: float, d: Array) -> None:
    """w ← w + t d"""
    begin = 0
    for p in params:
        part = d[begin : begin + p.array.size].reshape(p.array.shape)
        p.array[...] += p.dtype.type(t) * part
        p.versions[0] += 1
        begin += p.array.size
