"""PyTorch as a back end: torch.nn, torch.optim, and the rules of our own that torch.optim lacks."""

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch

from underhood import engine
from underhood.engine.optim import OPTIMIZERS, Row
from underhood.training.backends import Array, flat_state, nested_state


class Torch:
    """PyTorch on the CPU."""

    name = "torch"
    nn = torch.nn

    def __init__(self, precision: str) -> None:
        self.dtype = getattr(torch, precision)

    def tensor(self, array: Array) -> torch.Tensor:
        made = torch.from_numpy(np.ascontiguousarray(array))
        return made.to(self.dtype) if made.is_floating_point() else made

    def array(self, tensor: Any) -> Array:
        return tensor.detach().cpu().numpy() if isinstance(tensor, torch.Tensor) else np.asarray(tensor)

    def place(self, net: Any) -> Any:
        return net.to(self.dtype)

    def optimizer(self, name: str, net: Any, **arguments: Any) -> Any:
        row = OPTIMIZERS[name]
        if not row.twin:
            return PageOptimizer(net.parameters(), row, arguments)
        return getattr(torch.optim, row.twin.rpartition(".")[2])(net.parameters(), **arguments)

    def no_grad(self) -> AbstractContextManager[Any]:
        return torch.no_grad()

    def state(self, net: Any, optimizer: Any) -> dict[str, Array]:
        return flat_state(net.state_dict(), optimizer.state_dict()["state"], self.array)

    def restore(self, net: Any, optimizer: Any, state: dict[str, Array]) -> None:
        weights, buffers = nested_state(state)
        net.load_state_dict({name: torch.from_numpy(values) for name, values in weights.items()})
        tensors = {i: {k: torch.from_numpy(v) for k, v in kept.items()} for i, kept in buffers.items()}
        optimizer.load_state_dict({**optimizer.state_dict(), "state": tensors})


class PageOptimizer(torch.optim.Optimizer):
    """An optimiser of our own on PyTorch's tensors: its page's rule, unchanged."""

    def __init__(self, params: Any, row: Row, arguments: dict[str, Any]) -> None:
        self.page = row.optimizer([engine.tensor(0.0, requires_grad=True)], **arguments)
        super().__init__(params, dict(self.page.defaults))

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._update(p, group)

    def _update(self, p: torch.Tensor, group: dict[str, Any]) -> None:
        rule, names = self.page.chosen(group)
        state = self.state[p]
        missing = [name for name in names if name not in state]
        state.update({name: self.page.start(name, p, group) for name in missing})
        state["step"] = int(state.get("step", 0)) + 1
        constants = self.page.constants(group, state, bool(missing))
        buffers = [state[name] for name in names]
        for old, new in zip((p, *buffers), rule(p, p.grad, *buffers, *constants), strict=True):
            old.copy_(new)
