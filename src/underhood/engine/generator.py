"""PyTorch's generator of random numbers on the CPU: the same seed gives the same numbers.

    engine       MT19937, seeded by Knuth's recurrence; r is a word of 32 bits, R = (first word)·2³² + second of 64
    uniform      (r mod 2²⁴)/2²⁴ in float32, (R mod 2⁵³)/2⁵³ in float64, then · (high − low) + low
    integers     low + r mod (high − low), and R in place of r from a range of 2²⁸ on
    permutation  for i = 0 … n − 2: swap rᵢ with r of i + (r mod (n − i))
    normal       Box & Muller: √(−2 ln(1 − u)) cos 2πv and … sin 2πv; from 16 elements on in blocks of 16, where u is
                 one of the first eight and v its partner among the last eight; a block that would not be full is drawn
                 once more over the last 16 elements

Integers, permutations and uniform numbers are PyTorch's bit for bit, normal ones to the last place or two, because its
vectorised logarithm and cosine round otherwise. Dropout's masks are not PyTorch's: it draws them by MKL.

Sources: Matsumoto & Nishimura 1998; Box & Muller 1958. PyTorch: torch.Generator, ATen's DistributionTemplates.h.
"""

from __future__ import annotations

import math
import secrets
from typing import Any, Self

import numpy as np

from underhood.engine.device import check_device, device
from underhood.engine.dtypes import float32, float64
from underhood.engine.forms import Array
from underhood.engine.tensor import Tensor

Words = np.ndarray[Any, np.dtype[np.uint64]]
BLOCK = 16
DEFAULT_SEED = 67280421310721  # torch's


class Generator(np.random.Generator):
    """A stream of random numbers of one's own. It is a generator of NumPy's too, and can be used wherever one is."""

    device = device("cpu")

    def __init__(self, device: Any = "cpu") -> None:
        check_device(device)
        super().__init__(np.random.MT19937())
        self.manual_seed(DEFAULT_SEED)

    # -- its state --

    def manual_seed(self, seed: int) -> Self:
        """Start anew from `seed`."""
        self._seed = int(seed)
        self._spare: float | None = None  # the second of a pair of normal numbers
        generator: Any = self.bit_generator
        generator._legacy_seeding(self._seed & 0xFFFFFFFF)
        return self

    def seed(self) -> int:
        """Start anew from a seed that nobody knows; returns it."""
        self.manual_seed(secrets.randbits(63))
        return self._seed

    def initial_seed(self) -> int:
        return self._seed

    def get_state(self) -> Tensor:
        """The state as bytes: the 624 words, the position among them, the seed, and the spare normal number."""
        state: Any = self.bit_generator.state["state"]
        spare = np.array([self._spare is not None, self._spare or 0.0])
        whole = np.array([state["pos"], self._seed], np.int64)
        return Tensor(np.concatenate([x.view(np.uint8) for x in (state["key"].astype(np.uint32), whole, spare)]))

    def set_state(self, new_state: Tensor) -> Self:
        """Go on from what `get_state` returned."""
        data = np.ascontiguousarray(new_state.array)
        if data.dtype != np.uint8 or data.shape != (624 * 4 + 32,):
            raise RuntimeError("expected the uint8 tensor that get_state() of underhood's Generator returned")
        key, whole, spare = data[:2496].view(np.uint32), data[2496:2512].view(np.int64), data[2512:].view(np.float64)
        self.bit_generator.state = {"bit_generator": "MT19937", "state": {"key": key, "pos": int(whole[0])}}
        self._seed, self._spare = int(whole[1]), float(spare[1]) if spare[0] else None
        return self

    def __reduce__(self) -> Any:
        return _restored, (self.get_state().array,)

    # -- its numbers --

    def words(self, count: int) -> Words:
        """The next `count` words of 32 bits."""
        return self.bit_generator.random_raw(count)

    def long_words(self, count: int) -> Words:
        """The next `count` words of 64 bits."""
        pairs = self.words(2 * count).reshape(count, 2)
        return (pairs[:, 0] << np.uint64(32)) | pairs[:, 1]

    def random(self, size: Any = None, dtype: Any = float64, out: Any = None) -> Any:
        """U(0, 1), of float32 or float64."""
        shape = _shape(size)
        if np.dtype(dtype) == float32:
            drawn = (self.words(math.prod(shape)) & np.uint64(2**24 - 1)).astype(float32) * float32.type(2**-24)
        else:
            drawn = (self.long_words(math.prod(shape)) & np.uint64(2**53 - 1)).astype(float64) * 2**-53
        return _given(drawn.reshape(shape), size, out)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None, dtype: Any = float64) -> Any:
        """U(low, high), computed in `dtype`."""
        of = np.dtype(dtype).type
        return self.random(size, dtype) * (of(high) - of(low)) + of(low)

    def integers(
        self, low: Any, high: Any = None, size: Any = None, dtype: Any = np.int64, endpoint: bool = False
    ) -> Any:
        """Whole numbers from `low` to `high` − 1, or below `low` if it stands alone."""
        low, high = (0, low) if high is None else (low, high)
        width, shape = int(high) - int(low) + endpoint, _shape(size)
        if width <= 0:
            raise ValueError(f"low >= high: there is no whole number from {low} to below {high}")
        drawn = (self.words if width < 2**28 else self.long_words)(math.prod(shape)) % np.uint64(width)
        return _given((drawn.astype(np.int64) + low).astype(dtype).reshape(shape), size)

    def permutation(self, x: Any, axis: int = 0) -> Any:
        """0 … x − 1 in random order, or the entries of an array along `axis`."""
        if not isinstance(x, int | np.integer):
            return np.take(x, self.permutation(np.shape(x)[axis]), axis)
        n = int(x)
        order = list(range(n))
        left = np.arange(n, 1, -1, dtype=np.uint64)
        for i, jump in enumerate((self.words(len(left)) % left).tolist()):
            order[i], order[i + jump] = order[i + jump], order[i]
        return np.array(order, np.int64)

    def standard_normal(self, size: Any = None, dtype: Any = float64, out: Any = None) -> Any:
        """N(0, 1), of float32 or float64."""
        shape = _shape(size)
        count = math.prod(shape)
        drawn = self._blocks(count, np.dtype(dtype)) if count >= BLOCK else self._one_by_one(count, dtype)
        return _given(drawn.reshape(shape), size, out)

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None, dtype: Any = float64) -> Any:
        """N(loc, scale²), computed in `dtype`."""
        of = np.dtype(dtype).type
        return self.standard_normal(size, dtype) * of(scale) + of(loc)

    def _blocks(self, count: int, dtype: np.dtype[Any]) -> Array:
        drawn = self.random(count, dtype)
        whole = count - count % BLOCK
        drawn[:whole] = _box_muller(drawn[:whole])
        if whole < count:
            drawn[-BLOCK:] = _box_muller(self.random(BLOCK, dtype))
        return drawn

    def _one_by_one(self, count: int, dtype: Any) -> Array:
        """Few numbers come in pairs, in double precision; the second of a pair waits for the next call."""
        drawn = np.empty(count, float64)
        for i in range(count):
            if self._spare is None:
                v, u = self.random(2)
                radius, angle = math.sqrt(-2 * math.log1p(-u)), 2 * math.pi * v
                drawn[i], self._spare = radius * math.cos(angle), radius * math.sin(angle)
            else:
                drawn[i], self._spare = self._spare, None
        return drawn.astype(dtype)


def _box_muller(u: Array) -> Array:
    """Uniform numbers in blocks of 16 as normal ones."""
    pairs = u.reshape(-1, 2, BLOCK // 2)
    radius = np.sqrt(-2 * np.log(1 - pairs[:, 0]))
    angle = u.dtype.type(2 * math.pi) * pairs[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)


def _shape(size: Any) -> tuple[int, ...]:
    if size is None:
        return ()
    return tuple(size) if isinstance(size, tuple | list) else (int(size),)


def _given(drawn: Array, size: Any, out: Any = None) -> Any:
    """As NumPy gives it: a number where no size was asked for, in `out` where there is one."""
    if out is not None:
        out[...] = drawn
        return out
    return drawn[()] if size is None else drawn


def _restored(state: Array) -> Generator:
    return Generator().set_state(Tensor(state))
