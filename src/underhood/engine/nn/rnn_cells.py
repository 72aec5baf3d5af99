"""RNNCell, LSTMCell and GRUCell: one step of a recurrent layer. The equations stand in `rnn.py`.

    x: (N, input_size) or (input_size,)      h, C: (N, H) or (H,), zeros by default

PyTorch: torch.nn.RNNCell, LSTMCell, GRUCell.
"""

import math
from typing import Any, ClassVar

from underhood.engine import functional as F
from underhood.engine.creation import zeros
from underhood.engine.device import check_device
from underhood.engine.nn import init
from underhood.engine.nn.linear import empty
from underhood.engine.nn.module import Module
from underhood.engine.nn.rnn import State, gru_step, lstm_step, rnn_step
from underhood.engine.tensor import Tensor


class Cell(Module):
    """What the three have in common: weights, and states that are zero at first."""

    gates: ClassVar[int]

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        check_device(device)
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = self.gates * hidden_size
        self.weight_ih, self.weight_hh = empty(rows, input_size, dtype=dtype), empty(rows, hidden_size, dtype=dtype)
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, empty(rows, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size else 0.0
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def _begin(self, input: Tensor, states: int, hx: State | None) -> tuple[Tensor, State]:
        """W x + b, and the state before the step."""
        if input.ndim not in (1, 2):
            raise ValueError(f"{type(self).__name__}: Expected input to be 1D or 2D, got {input.ndim}D instead")
        shape = (*input.shape[:-1], self.hidden_size)
        state = hx or tuple(zeros(shape, dtype=input.dtype) for _ in range(states))
        for s in state:
            if tuple(s.shape) != shape:
                raise RuntimeError(f"{type(self).__name__}: Expected hidden of shape {shape}, got {tuple(s.shape)}")
        return F.linear(input, self.weight_ih, self.bias_ih), state

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(Cell):
    """h = tanh(W x + b + U h⁻ + c), or max(0, …) with nonlinearity="relu"."""

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = nonlinearity

    def extra_repr(self) -> str:
        return super().extra_repr() + ("" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}")

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        gates, state = self._begin(input, 1, None if hx is None else (hx,))
        return rnn_step(gates, state, self.weight_hh, self.bias_hh, self.nonlinearity == "relu")[0]


class LSTMCell(Cell):
    """The next (h, C)."""

    gates = 4

    def forward(self, input: Tensor, hx: State | None = None) -> State:
        gates, state = self._begin(input, 2, hx)
        return lstm_step(gates, state, self.weight_hh, self.bias_hh)


class GRUCell(Cell):
    """The next h."""

    gates = 3

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        gates, state = self._begin(input, 1, None if hx is None else (hx,))
        return gru_step(gates, state, self.weight_hh, self.bias_hh)[0]
