"""PyTorch as a back end: torch.nn, torch.optim, and the rules of our own that torch.optim lacks.

All options of `settings.py` are here. What is computed depends on the settings and on the shape of the batch alone,
never on what was computed before, so a trial that was interrupted goes on with the same numbers: shapes are
compiled each for itself (`dynamic=False`), and evaluation is not compiled.
"""

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch

from underhood import engine
from underhood.engine.optim import OPTIMIZERS, Entry
from underhood.errors import BadInput, MissingPiece
from underhood.instruments.activations import checkpoint_activations, write_in_place
from underhood.training.backends import Array, flat_state, nested_state
from underhood.training.backends.settings import BackendSettings


class Torch:
    """PyTorch on the processor or on a GPU."""

    name = "torch"
    nn = torch.nn

    def __init__(self, settings: BackendSettings) -> None:
        self.settings = settings
        self.device = _device(settings.device)
        self.autocast = settings.precision == "bfloat16-autocast"
        self.dtype: torch.dtype = getattr(torch, "float32" if self.autocast else settings.precision)
        self.memory_format = torch.channels_last if settings.channels_last else torch.contiguous_format
        self.compiled: Callable[[torch.Tensor], torch.Tensor] | None = None
        self.parallel: torch.nn.parallel.DistributedDataParallel | None = None

    def tensor(self, array: Any) -> torch.Tensor:
        made = array if isinstance(array, torch.Tensor) else torch.from_numpy(np.ascontiguousarray(array))
        made = made.to(self.device)
        if not made.is_floating_point():
            return made
        made = made.to(self.dtype)
        return made.contiguous(memory_format=self.memory_format) if made.ndim == 4 else made

    def array(self, tensor: Any) -> Array:
        if not isinstance(tensor, torch.Tensor):
            return np.asarray(tensor)
        values = tensor.detach().cpu()
        return (values.float() if values.dtype == torch.bfloat16 else values).numpy()

    def exactly(self, array: Array) -> torch.Tensor:
        return torch.from_numpy(array).to(self.device)

    def draw_from(self, rng: np.random.Generator) -> None:
        self.generator.manual_seed(int(rng.integers(2**63)))

    def drawn(self) -> bytes:
        return self.generator.get_state().numpy().tobytes()

    @property
    def generator(self) -> torch.Generator:
        """The device's own, which everything draws from that is handed no other."""
        if self.device.type == "cuda":
            return torch.cuda.default_generators[self.device.index or torch.cuda.current_device()]
        return torch.default_generator

    def prepare(self, net: Any) -> Any:
        net = self.lean(net).to(device=self.device, dtype=self.dtype, memory_format=self.memory_format)
        if self.dtype == torch.bfloat16:
            for module in net.modules():  # a running mean that moves by less than its last digit stands still
                if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                    module.float()
        if self.settings.compile:
            self.compiled = torch.compile(net, dynamic=False)
        if self.settings.devices > 1:
            net = self._among_workers(net)
        return net

    def _among_workers(self, net: Any) -> Any:
        """The network with its gradients meaned over all workers; its buffers are each worker's own."""
        from underhood.training.parallel.batch_norm import synchronised

        if self.settings.parallel.batch_norm == "synchronised":
            net = synchronised(net, self.device)
        self.parallel = torch.nn.parallel.DistributedDataParallel(net, forward_sync_buffers=False)
        return net

    def lean(self, net: Any) -> Any:
        """The network with what the settings ask for to hold fewer activations."""
        if self.settings.in_place_activations:
            write_in_place(net)
        if self.settings.activation_checkpointing:
            checkpoint_activations(net)
        return net

    def forward(self, net: Any, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            logits = self._training(net)(x) if net.training else net(x)
        return logits.float() if logits.dtype == torch.bfloat16 else logits

    def _training(self, net: Any) -> Callable[[torch.Tensor], torch.Tensor]:
        """What computes the network while it trains."""
        if self.compiled is not None:
            return self._translated
        return net if self.parallel is None else self.parallel

    def _translated(self, x: torch.Tensor) -> torch.Tensor:
        assert self.compiled is not None
        try:
            return self.compiled(x)
        except Exception as error:
            if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                raise MissingPiece(f"compile: torch.compile cannot translate this here: {_gist(error)}") from error
            raise

    def optimizer(self, name: str, net: Any, **arguments: Any) -> Any:
        entry = OPTIMIZERS[name]
        rule = getattr(torch.optim, entry.reference.rpartition(".")[2]) if entry.reference else None
        if self.settings.fused:
            if rule is None or "fused" not in inspect.signature(rule).parameters:
                raise BadInput(f"fused: PyTorch has no fused form of {name}; there is {', '.join(_with_fused_form())}")
            arguments["fused"] = True
        return (
            EntryOptimizer(net.parameters(), entry, arguments) if rule is None else rule(net.parameters(), **arguments)
        )

    def step(self, function: Callable[..., Any], optimizer: Any = None) -> Callable[..., Any]:
        def run(*inputs: torch.Tensor) -> Any:
            if not torch.is_grad_enabled():
                return function(*inputs)
            if optimizer is not None:
                optimizer.zero_grad()
            results = function(*inputs)
            (results[0] if isinstance(results, tuple) else results).backward()
            if optimizer is not None:
                optimizer.step()
            return results

        return run

    def apart(self) -> AbstractContextManager[Any]:
        return nullcontext() if self.parallel is None else self.parallel.no_sync()

    def no_grad(self) -> AbstractContextManager[Any]:
        return torch.no_grad()

    def state(self, net: Any, optimizer: Any) -> dict[str, Array]:
        return flat_state(net.state_dict(), optimizer.state_dict()["state"], self.array)

    def restore(self, net: Any, optimizer: Any, state: dict[str, Array]) -> None:
        weights, buffers = nested_state(state)
        net.load_state_dict({name: torch.from_numpy(values) for name, values in weights.items()})
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        tensors = {i: {k: _strided_like(parameters[i], v) for k, v in kept.items()} for i, kept in buffers.items()}
        optimizer.load_state_dict({**optimizer.state_dict(), "state": tensors})


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise MissingPiece(f"device: cuda: PyTorch {torch.__version__} finds no GPU here; leave it at cpu")
    return torch.device(name)


def _strided_like(parameter: torch.Tensor, values: Array) -> torch.Tensor:
    """An optimiser's buffer with the strides of its parameter, which fused updates walk through together."""
    made = torch.from_numpy(values)
    return torch.empty_like(parameter, dtype=made.dtype).copy_(made) if made.shape == parameter.shape else made


def _with_fused_form() -> list[str]:
    references = {
        name: getattr(torch.optim, entry.reference.rpartition(".")[2])
        for name, entry in OPTIMIZERS.items()
        if entry.reference
    }
    return [name for name, rule in references.items() if "fused" in inspect.signature(rule).parameters]


def _gist(error: BaseException) -> str:
    """The first line that says something."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


class EntryOptimizer(torch.optim.Optimizer):
    """An optimiser of our own on PyTorch's tensors: its page's rule, unchanged."""

    def __init__(self, params: Any, entry: Entry, arguments: dict[str, Any]) -> None:
        self.engine_optimizer = entry.optimizer([engine.tensor(0.0, requires_grad=True)], **arguments)
        super().__init__(params, dict(self.engine_optimizer.defaults))

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._update(p, group)

    def _update(self, p: torch.Tensor, group: dict[str, Any]) -> None:
        rule, names = self.engine_optimizer.chosen(group)
        state = self.state[p]
        missing = [name for name in names if name not in state]
        state.update({name: self.engine_optimizer.start(name, p, group) for name in missing})
        state["step"] = int(state.get("step", 0)) + 1
        constants = self.engine_optimizer.constants(group, state, bool(missing))
        buffers = [state[name] for name in names]
        for old, new in zip((p, *buffers), rule(p, p.grad, *buffers, *constants), strict=True):
            old.copy_(new)
