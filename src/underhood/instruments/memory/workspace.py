"""What an operation takes for itself while it runs on a CPU, beside its inputs and outputs.

oneDNN's convolutions work on blocks of 8 channels (16 with AVX-512): they copy the input, the filters and the
output into that order, channels filled up to whole blocks, and back. With x̃, w̃, z̃ for the copies' bytes,

    forward    max(x̃ + w̃ + z̃ − z,  z̃)    the input's copy is gone before the plain output is made
    backward   x̃ + z̃ + w̃                  while the filters' gradient is computed, the input's being there

An input of up to three channels (an image) is read as it is. Found by measuring single layers; matrix products,
pools and normalisations take next to nothing.
"""

from math import prod
from typing import Any

from underhood.instruments.pytorch import load_torch


def workspace(func: Any, args: tuple[Any, ...], out: Any) -> list[int]:
    """The blocks, in bytes, that the operation `func(*args)` takes beyond its inputs and outputs."""
    name = func.overloadpacket.__name__
    if name == "convolution":
        x, weight = args[:2]
        copied, filters, result = blocked(x, image=True), _bytes(weight), blocked(out)
        return [result, max(0, copied + filters - _bytes(out))]
    if name == "convolution_backward":
        gradient, x, weight = args[:3]
        return [blocked(gradient), blocked(x, image=True), _bytes(weight)]
    return []


def blocked(x: Any, image: bool = False) -> int:
    """Bytes of a copy in blocks of channels; of an image none is made."""
    if x.dim() < 3 or (image and x.shape[1] <= 3):
        return 0
    block = 16 if "AVX512" in load_torch().backends.cpu.get_cpu_capability() else 8
    channels = -(-x.shape[1] // block) * block
    return int(x.shape[0] * channels * prod(x.shape[2:]) * x.element_size())


def _bytes(x: Any) -> int:
    return int(x.numel() * x.element_size())
