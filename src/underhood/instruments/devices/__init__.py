"""Device profiles as data: one TOML file a device, its figures with where they are from and what is assumed.

memory      bytes in all; `shared` says that processor and GPU share them
system      bytes that the system takes of them
runtime     bytes that Python, PyTorch and the GPU's context take before there is a network
flops       FLOP/s in float32 at best
bandwidth   bytes/s of the memory at best
"""

import tomllib
from dataclasses import dataclass
from importlib.resources import files

from underhood.errors import BadInput, nearest


@dataclass(frozen=True)
class Device:
    """What a device has, and what is taken before training begins."""

    name: str
    title: str
    memory: int
    shared: bool
    system: int
    runtime: int
    flops: float
    bandwidth: float
    assumptions: tuple[str, ...]
    source: str

    @property
    def free(self) -> int:
        """What one process can have."""
        return self.memory - self.system


def device_names() -> list[str]:
    """The profiles that ship."""
    return sorted(file.name.removesuffix(".toml") for file in files(__name__).iterdir() if file.name.endswith(".toml"))


def device_named(name: str) -> Device:
    """The profile of that name; BadInput names the nearest."""
    if name not in device_names():
        raise BadInput(f'device: unknown "{name}": {nearest(name, device_names())}')
    facts = tomllib.loads(files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8"))
    return Device(name=name, **{**facts, "assumptions": tuple(facts["assumptions"])})
