"""torch.amp as it is where there is no GPU: mixed precision for CUDA is off, and scripts run in float32.

    with autocast("cuda"): …          nothing changes
    scaler = GradScaler()             scale(loss) is the loss, step(optimizer) is optimizer.step()

Mixed precision on the CPU would be bfloat16, which the engine lacks: `autocast("cpu")` refuses, unless it is disabled.
"""

from collections.abc import Callable
from contextlib import ContextDecorator
from typing import Any

from underhood.engine.optim import Optimizer

__all__ = ["GradScaler", "autocast"]


class autocast(ContextDecorator):  # noqa: N801 - torch’s name
    """A context or decorator under which nothing changes."""

    def __init__(
        self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        if enabled and device_type != "cuda":
            raise NotImplementedError(
                f"autocast({device_type!r}): the engine computes in float32 and float64, it has no bfloat16; pass "
                "enabled=False"
            )

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: Any) -> None:
        return None


class GradScaler:
    """Gradients keep their scale: float32 needs no other."""

    def __init__(self, device: Any = "cuda", *settings: Any, enabled: bool = True, **more: Any) -> None:
        if enabled and str(device).partition(":")[0] != "cuda":
            raise NotImplementedError(f"GradScaler({device!r}): float32 needs no scale; pass enabled=False")

    def is_enabled(self) -> bool:
        return False

    def get_scale(self) -> float:
        return 1.0

    def scale(self, outputs: Any) -> Any:
        """The loss as it is."""
        return outputs

    def unscale_(self, optimizer: Optimizer) -> None:
        """The gradients have no scale to be taken off."""

    def step(self, optimizer: Optimizer, closure: Callable[[], Any] | None = None) -> Any:
        return optimizer.step() if closure is None else optimizer.step(closure)

    def update(self, new_scale: float | None = None) -> None:
        """There is no scale to adapt."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing is kept."""
