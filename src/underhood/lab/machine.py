"""What a number was measured on: the machine and the versions of what computed it."""

import platform
import shutil
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import underhood
from underhood.cores import usable_cores

# What may change a number or a time.
PACKAGES = ("numpy", "numba", "llvmlite", "scipy", "torch")

# A container's limit, as it sees it itself: of cgroups v2 and v1.
CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def versions() -> dict[str, str]:
    """Python's and the packages' versions, read without importing them; what isn't installed isn't listed."""
    found = {"underhood": underhood.__version__, "python": platform.python_version()}
    return found | {name: number for name in PACKAGES if (number := _version(name))}


@cache
def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@cache
def machine() -> dict[str, Any]:
    """Name and model of the processor, cores this process may use, memory in bytes, graphics cards."""
    import psutil

    return {
        "host": platform.node(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cores": usable_cores(),
        "memory": psutil.virtual_memory().total,
        "gpus": _gpus(),
    }


def free_memory() -> int:
    """Bytes that programs may still take here, which in a container can be fewer than the machine has."""
    import psutil

    limits = [int(psutil.virtual_memory().available)]
    for path in CGROUP_LIMITS:
        try:
            limits.append(int(path.read_text()))
        except (OSError, ValueError):  # no such controller, or "max"
            continue
    return min(limits)


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    if sys.platform == "darwin":
        found = subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False
        )
        if found.stdout.strip():
            return found.stdout.strip()
    return platform.processor() or platform.machine()


def _gpus() -> list[str]:
    return nvidia_smi("--query-gpu=name")


def nvidia_smi(query: str) -> list[str]:
    """The lines of numbers without units that nvidia-smi answers; none where it isn't or doesn't answer."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return []
    try:
        found = subprocess.run(
            [command, query, "--format=csv,noheader,nounits"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in found.stdout.splitlines() if line.strip()]
