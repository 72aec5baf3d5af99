"""Recurrent layers: RNN, LSTM and GRU, over sequences, in several layers, in both directions.

    RNN    h = tanh(W x + b + U h⁻ + c)                  or max(0, …) with nonlinearity="relu"
    LSTM   i, f, o = σ(…), g = tanh(…), each W x + b + U h⁻ + c with rows of its own, in the order i, f, g, o
           C = f C⁻ + i g                 h = o tanh(C)          and h ← R h with `proj_size`
    GRU    r, z = σ(W x + b + U h⁻ + c)
           n = tanh(W x + b + r (U h⁻ + c))              h = (1 − z) n + z h⁻

    x: (L, N, input_size), (N, L, input_size) with batch_first, or (L, input_size)     L steps, N sequences
    h₀, C₀: (D·layers, N, H) or (D·layers, H), zeros by default                        D = 2 if bidirectional, else 1
    output: as x, with D·H at every step; h_n, C_n as h₀, C₀

W is `weight_ih_l0` (gates·H, inputs), U `weight_hh_l0` (gates·H, H), b `bias_ih_l0`, c `bias_hh_l0`, R `weight_hr_l0`;
the next layer's have l1, the reverse direction's `…_reverse`. Products with x are taken for all steps at once.

Sources: Elman 1990; Hochreiter & Schmidhuber 1997, Gers et al. 2000; Cho et al. 2014. PyTorch: torch.nn.RNN, LSTM, GRU.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, ClassVar

from underhood.engine import functional as F
from underhood.engine.creation import zeros
from underhood.engine.device import check_device
from underhood.engine.nn import init
from underhood.engine.nn.linear import empty
from underhood.engine.nn.module import Module
from underhood.engine.tensor import Tensor

State = tuple[Tensor, ...]  # (h,) or (h, C)


def rnn_step(gates: Tensor, state: State, U: Tensor, c: Tensor | None, relu: bool) -> State:
    """One step of an RNN; `gates` is W x + b."""
    z = gates + F.linear(state[0], U, c)
    return (F.relu(z) if relu else F.tanh(z),)


def lstm_step(gates: Tensor, state: State, U: Tensor, c: Tensor | None, R: Tensor | None = None) -> State:
    """One step of an LSTM."""
    h, C = state
    i, f, g, o = F.chunk(gates + F.linear(h, U, c), 4, -1)
    C = F.sigmoid(f) * C + F.sigmoid(i) * F.tanh(g)
    h = F.sigmoid(o) * F.tanh(C)
    return (h if R is None else F.linear(h, R)), C


def gru_step(gates: Tensor, state: State, U: Tensor, c: Tensor | None) -> State:
    """One step of a GRU."""
    (h,) = state
    of_x, of_h = F.chunk(gates, 3, -1), F.chunk(F.linear(h, U, c), 3, -1)
    r, z = F.sigmoid(of_x[0] + of_h[0]), F.sigmoid(of_x[1] + of_h[1])
    n = F.tanh(of_x[2] + r * of_h[2])
    return ((1 - z) * n + z * h,)


class RNNBase(Module):
    """What the three have in common: layers, directions, weights; a subclass says its `gates` and its `step`."""

    mode: ClassVar[str]
    gates: ClassVar[int]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        check_device(device)
        _check_settings(hidden_size, num_layers, dropout, proj_size)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        rows, features = self.gates * hidden_size, proj_size or hidden_size
        for layer in range(num_layers):
            inputs = features * self.directions if layer else input_size
            for end in self._ends(layer):
                setattr(self, f"weight_ih_{end}", empty(rows, inputs, dtype=dtype))
                setattr(self, f"weight_hh_{end}", empty(rows, features, dtype=dtype))
                if bias:
                    setattr(self, f"bias_ih_{end}", empty(rows, dtype=dtype))
                    setattr(self, f"bias_hh_{end}", empty(rows, dtype=dtype))
                if proj_size:
                    setattr(self, f"weight_hr_{end}", empty(proj_size, hidden_size, dtype=dtype))
        self.reset_parameters()

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _ends(self, layer: int) -> list[str]:
        """What the names of a layer's weights end in, for each direction."""
        return [f"l{layer}", f"l{layer}_reverse"][: self.directions]

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size else 0.0
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def flatten_parameters(self) -> None:
        """torch lays the weights in one piece of memory for cuDNN; here they stay where they are."""

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The weights of each layer and direction."""
        names = ("weight_ih_", "weight_hh_", "bias_ih_", "bias_hh_", "weight_hr_")
        ends = [end for layer in range(self.num_layers) for end in self._ends(layer)]
        return [[self._parameters[n + end] for n in names if n + end in self._parameters] for end in ends]  # type: ignore[misc]

    def step(self, gates: Tensor, state: State, U: Tensor, c: Tensor | None, R: Tensor | None) -> State:
        """The state after one step; `gates` is W x + b."""
        raise NotImplementedError

    def run(self, input: Tensor, hx: State | None) -> tuple[Tensor, State]:
        """Output and last states, one for each that the layer keeps."""
        self._check_input(input)
        batched = input.ndim == 3
        x = input if batched else input.unsqueeze(1)
        x = x.transpose(0, 1) if batched and self.batch_first else x
        first = self._first_states(x, hx, batched)
        last: list[State] = []
        for layer in range(self.num_layers):
            outputs = []
            for end in self._ends(layer):
                y, state = self._along(x, tuple(s[len(last)] for s in first), end)
                outputs.append(y)
                last.append(state)
            x = F.cat(outputs, -1) if self.bidirectional else outputs[0]
            if self.dropout and layer < self.num_layers - 1:
                x = F.dropout(x, self.dropout, self.training)
        states = tuple(F.stack(list(of_all)) for of_all in zip(*last, strict=True))
        if not batched:
            return x.squeeze(1), tuple(s.squeeze(1) for s in states)
        return (x.transpose(0, 1) if self.batch_first else x), states

    def _along(self, x: Tensor, state: State, end: str) -> tuple[Tensor, State]:
        """One direction of one layer over all steps: (L, N, inputs) → (L, N, H)."""
        W, U = getattr(self, f"weight_ih_{end}"), getattr(self, f"weight_hh_{end}")
        b, c = (getattr(self, f"bias_{kind}_{end}") if self.bias else None for kind in ("ih", "hh"))
        R = getattr(self, f"weight_hr_{end}") if self.proj_size else None
        gates = F.unbind(F.linear(x, W, b), 0)
        backwards = end.endswith("reverse")
        outputs = []
        for g in reversed(gates) if backwards else gates:
            state = self.step(g, state, U, c, R)
            outputs.append(state[0])
        return F.stack(outputs[::-1] if backwards else outputs), state

    def _first_states(self, x: Tensor, hx: State | None, batched: bool) -> State:
        """The states to begin with, (D·layers, N, size) each."""
        count, batch = self.num_layers * self.directions, x.shape[1]
        sizes = [self.proj_size or self.hidden_size] + [self.hidden_size] * (self.mode == "LSTM")
        if hx is None:
            return tuple(zeros(count, batch, size, dtype=x.dtype) for size in sizes)
        states = tuple(s if batched else s.unsqueeze(1) for s in hx if s.ndim == (3 if batched else 2))
        if len(states) != len(sizes) or len(hx) != len(sizes):
            raise RuntimeError(
                f"For {'batched' if batched else 'unbatched'} input, {len(sizes)} states of {2 + batched} axes are "
                f"expected, got shapes {[tuple(s.shape) for s in hx]}"
            )
        for s, size in zip(states, sizes, strict=True):
            if tuple(s.shape) != (count, batch, size):
                raise RuntimeError(f"Expected hidden size {(count, batch, size)}, got {list(s.shape)}")
        return states

    def _check_input(self, input: Any) -> None:
        if not isinstance(input, Tensor):
            raise TypeError(
                f"{self.mode}: input must be a Tensor, not {type(input).__name__}; there are no packed ones"
            )
        if input.ndim not in (2, 3):
            raise ValueError(f"{self.mode}: Expected input to be 2D or 3D, got {input.ndim}D instead")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.shape[-1]}"
            )
        if not input.shape[1 if self.batch_first and input.ndim == 3 else 0]:
            raise RuntimeError(f"{self.mode}: Expected sequence length to be larger than 0")

    def extra_repr(self) -> str:
        said = f"{self.input_size}, {self.hidden_size}"
        shown = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0}
        shown["bidirectional"] = False
        for name, default in shown.items():
            if getattr(self, name) != default:
                said += f", {name}={getattr(self, name)}"
        return said


def _check_settings(hidden_size: int, num_layers: int, dropout: float, proj_size: int) -> None:
    if isinstance(dropout, bool) or not 0 <= dropout <= 1:
        raise ValueError("dropout should be a number in range [0, 1], the probability of an element being zeroed")
    if dropout > 0 and num_layers == 1:
        warnings.warn(
            f"dropout={dropout} acts between layers, and num_layers=1 has no place for it", UserWarning, stacklevel=4
        )
    if not isinstance(hidden_size, int):
        raise TypeError(f"hidden_size should be of type int, got: {type(hidden_size).__name__}")
    if hidden_size <= 0:
        raise ValueError("hidden_size must be greater than zero")
    if num_layers <= 0:
        raise ValueError("num_layers must be greater than zero")
    if proj_size < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if proj_size >= hidden_size:
        raise ValueError("proj_size has to be smaller than hidden_size")


class RNN(RNNBase):
    """h = tanh(W x + b + U h⁻ + c) at every step; returns (output, h_n)."""

    mode, gates = "RNN", 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )
        self.nonlinearity = nonlinearity

    def step(self, gates: Tensor, state: State, U: Tensor, c: Tensor | None, R: Tensor | None) -> State:
        return rnn_step(gates, state, U, c, self.nonlinearity == "relu")

    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        output, (h,) = self.run(input, None if hx is None else (hx,))
        return output, h


class LSTM(RNNBase):
    """Gates i, f, o around a cell C at every step; returns (output, (h_n, C_n))."""

    mode, gates = "LSTM", 4

    def step(self, gates: Tensor, state: State, U: Tensor, c: Tensor | None, R: Tensor | None) -> State:
        return lstm_step(gates, state, U, c, R)

    def forward(self, input: Tensor, hx: State | None = None) -> tuple[Tensor, State]:
        return self.run(input, hx)


class GRU(RNNBase):
    """Gates r and z between the old state and a new one; returns (output, h_n)."""

    mode, gates = "GRU", 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )

    def step(self, gates: Tensor, state: State, U: Tensor, c: Tensor | None, R: Tensor | None) -> State:
        return gru_step(gates, state, U, c)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        output, (h,) = self.run(input, None if hx is None else (hx,))
        return output, h
