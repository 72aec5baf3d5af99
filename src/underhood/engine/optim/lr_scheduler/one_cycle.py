"""One cycle: the rate climbs to its highest and falls far below where it began, momentum the other way round.

    η: η_max/d ↗ η_max ↘ η_max/(d D)         d = `div_factor`, D = `final_div_factor`
    μ: μ_max  ↘ μ_base ↗ μ_max

A fraction `pct_start` of the steps goes up, the rest down, each along a line or half a cosine. With `three_phase` the
way down takes as long as the way up, to η_max/d, and what is left goes on from there to the end. The optimiser's
own rate is not used. A step is a batch, not an epoch.

Source: Smith & Topin 2018, "Super-convergence". PyTorch: torch.optim.lr_scheduler.OneCycleLR.
"""

from bisect import bisect_left
from math import cos, pi
from typing import Any

from underhood.engine.optim.lr_scheduler.schedule import LRScheduler
from underhood.engine.optim.optimizer import Optimizer


def line(start: float, end: float, fraction: float) -> float:
    return start + (end - start) * fraction


def half_cosine(start: float, end: float, fraction: float) -> float:
    return end + (start - end) / 2 * (1 + cos(pi * fraction))


CURVES = {"cos": half_cosine, "linear": line}

# a phase, by the keys of the parameter group that hold its ends: rate from, rate to, momentum from, momentum to
UP = ("initial_lr", "max_lr", "max_momentum", "base_momentum")
DOWN = ("max_lr", "min_lr", "base_momentum", "max_momentum")
DOWN_AS_UP = ("max_lr", "initial_lr", "base_momentum", "max_momentum")
OUT = ("initial_lr", "min_lr", "max_momentum", "max_momentum")


class OneCycleLR(LRScheduler):
    """`max_lr` η_max, in `total_steps` steps, or `epochs` times `steps_per_epoch`."""

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self.total_steps = _steps(total_steps, epochs, steps_per_epoch)
        if not 0 <= pct_start <= 1:
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in CURVES:
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        self._anneal_func_type = anneal_strategy
        up, last = pct_start * self.total_steps - 1, self.total_steps - 1
        self.phases = ((up, UP), (2 * up, DOWN_AS_UP), (last, OUT)) if three_phase else ((up, UP), (last, DOWN))
        self.cycle_momentum = cycle_momentum
        if cycle_momentum and not {"momentum", "betas"} & optimizer.defaults.keys():
            raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
        if last_epoch == -1:
            groups = optimizer.param_groups
            for group, lr in zip(groups, _each("max_lr", max_lr, optimizer), strict=True):
                group |= {"initial_lr": lr / div_factor, "max_lr": lr, "min_lr": lr / div_factor / final_div_factor}
            if cycle_momentum:
                for key, value in {"max_momentum": max_momentum, "base_momentum": base_momentum}.items():
                    for group, mu in zip(groups, _each(key, value, optimizer), strict=True):
                        group[key] = mu
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        k = self.last_epoch
        if k > self.total_steps:
            raise ValueError(f"Tried to step {k} times. The specified number of total steps is {self.total_steps}")
        curve, ends = CURVES[self._anneal_func_type], [end for end, _ in self.phases]
        i = min(bisect_left(ends, k), len(ends) - 1)  # the first phase that ends at k or later
        (end, phase), start = self.phases[i], ends[i - 1] if i else 0.0
        fraction = (k - start) / (end - start)
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(curve(group[phase[0]], group[phase[1]], fraction))
            if self.cycle_momentum:
                self._set_momentum(group, curve(group[phase[2]], group[phase[3]], fraction))
        return rates

    @staticmethod
    def _set_momentum(group: dict[str, Any], mu: float) -> None:
        """β₁ where the optimiser has betas."""
        if "betas" in group:
            group["betas"] = (mu, *group["betas"][1:])
        else:
            group["momentum"] = mu


def _steps(total: int | None, epochs: int | None, per_epoch: int | None) -> int:
    if total is None and (epochs is None or per_epoch is None):
        raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
    given = {"total_steps": total} if total is not None else {"epochs": epochs, "steps_per_epoch": per_epoch}
    steps = 1
    for name, value in given.items():
        if not isinstance(value, int) or value <= 0:
            raise ValueError(f"Expected positive integer {name}, but got {value}")
        steps *= value
    return steps


def _each(name: str, value: float | list[float], optimizer: Optimizer) -> list[float]:
    """A value for every parameter group."""
    groups = len(optimizer.param_groups)
    if not isinstance(value, list | tuple):
        return [value] * groups
    if len(value) != groups:
        raise ValueError(f"expected {groups} values for {name}, got {len(value)}")
    return list(value)
