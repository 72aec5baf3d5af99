"""Who is measured: the engine, PyTorch's variants, and three other libraries, each with its program."""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.cases import Case

ENGINE, PYTORCH, PEERS = "engine", "PyTorch", "peers"
EAGER = "eager"  # PyTorch's own way, which the engine as it stands is held against


@dataclass(frozen=True)
class Contender:
    """A program and how it is called. `takes` says whether a case is one for it."""

    name: str
    group: str
    package: str
    program: str
    options: tuple[str, ...] = ()
    takes: Callable[[Case], bool] = lambda case: True

    def command(self, case: Case, seconds: float) -> list[str]:
        program = [sys.executable, "-m", f"benchmarks.programs.{self.program}", case.name]
        return [*program, *self.options, "--turns", "--seconds", str(seconds)]

    def missing(self) -> str:
        """Why it cannot run here; empty where it can."""
        if find_spec(self.package) is None:
            return "not installed"
        if self.package == "torch" and "--compile" in self.options and not shutil.which(os.environ.get("CXX", "g++")):
            return "no C++ compiler"
        if self.package == "underhood" and "--compile" in self.options and not compiles():
            return "no underhood.compile"
        if self.package == "tinygrad" and not clang():
            return "no clang"
        return ""


def pytorch(name: str, *options: str) -> Contender:
    pictures = "--channels-last" in options
    return Contender(name, PYTORCH, "torch", "step_pytorch", options, lambda case: case.pixels if pictures else True)


def peer(name: str) -> Contender:
    package = name.lower()
    return Contender(name, PEERS, package, f"step_{package}", takes=lambda case: case.peers)


def engine(name: str, *options: str) -> Contender:
    return Contender(name, ENGINE, "underhood", "step_underhood", options)


# Where the fused optimiser is left out, it is to show what it brings: it was never the slower one.
CONTENDERS = (
    engine("underhood"),  # by a plan
    engine("as it stands", "--eager"),
    engine("compiled by underhood", "--compile"),
    pytorch(EAGER),
    pytorch("fused", "--fused"),
    pytorch("channels_last, fused", "--channels-last", "--fused"),
    pytorch("compiled, fused", "--compile", "--fused"),
    pytorch("compiled, channels_last, fused", "--compile", "--channels-last", "--fused"),
    peer("tinygrad"),
    peer("JAX"),
    peer("MyGrad"),
)


def compiles() -> bool:
    """Whether the engine has what `torch.compile` is to PyTorch."""
    import underhood

    return hasattr(underhood, "compile")


def clang() -> str:
    """The compiler that tinygrad needs: the system's, or the one that `make bench` puts beside the interpreter."""
    beside = Path(sys.executable).with_name("clang")
    return os.environ.get("CC") or shutil.which("clang") or (str(beside) if beside.exists() else "")


def environment(contender: Contender, threads: int) -> dict[str, str]:
    """What the process of a contender finds: so many threads for every library that could use more."""
    pools = ("OMP", "OPENBLAS", "MKL", "NUMBA")
    found = {**os.environ, **{f"{pool}_NUM_THREADS": str(threads) for pool in pools}}
    found["NPROC"] = str(threads)  # XLA's
    if contender.package == "tinygrad":
        found |= {"DEV": "CPU", "CC": clang()}
    return found


def entered(case: Case, libraries: set[str]) -> list[Contender]:
    """Those who take part in a case; `libraries` are lower-case names of packages, "pytorch" for torch."""
    names = {"torch": "pytorch"}
    return [c for c in CONTENDERS if c.takes(case) and names.get(c.package, c.package) in libraries]


LIBRARIES = ("underhood", "pytorch", "tinygrad", "jax", "mygrad")
