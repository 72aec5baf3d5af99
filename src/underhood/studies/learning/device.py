"""What a device does, idle and while a network trains on it, as far as the system tells.

    before = Sample.now("cpu")        …                usage = before.until(Sample.now("cpu"))

    processor     busy fraction of all cores, this process's of one core, its resident memory; power where the kernel
                  counts energy (Linux, powercap)
    NVIDIA GPU    utilisation, memory and power as nvidia-smi says them, and whether this process is on its list

What a system does not tell is None, and reads so in a report.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from underhood.lab.machine import nvidia_smi

ENERGY = Path("/sys/class/powercap/intel-rapl:0/energy_uj")  # AMD's processors are counted there too


@dataclass(frozen=True)
class Sample:
    """Counters at one moment."""

    device: str
    at: float  # seconds
    busy: float  # seconds of all cores since the machine started
    own: float  # seconds of this process
    resident: int  # bytes
    energy: float | None  # joules

    @classmethod
    def now(cls, device: str) -> "Sample":
        import psutil

        times = psutil.cpu_times()
        own = psutil.Process()
        used = own.cpu_times()
        busy = sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)
        return cls(device, perf_counter(), busy, used.user + used.system, own.memory_info().rss, _energy())

    def until(self, later: "Sample") -> dict[str, Any]:
        """The usage between two samples, fractions of 1 and watts; of a GPU, as it stands at the later one."""
        import psutil

        seconds = max(later.at - self.at, 1e-9)
        joules = None if self.energy is None or later.energy is None else later.energy - self.energy
        return {
            "machine": min(1.0, (later.busy - self.busy) / seconds / (psutil.cpu_count() or 1)),
            "process": (later.own - self.own) / seconds,
            "resident": later.resident,
            "watts": None if joules is None or joules < 0 else joules / seconds,
            "gpu": _gpu() if later.device == "cuda" else None,
        }


def _energy() -> float | None:
    try:
        return int(ENERGY.read_text()) / 1e6
    except (OSError, ValueError):
        return None


def _gpu() -> dict[str, Any] | None:
    """The first GPU by nvidia-smi; None where it is not or does not answer."""
    fields = ("name", "power.draw", "memory.used", "memory.total", "utilization.gpu")
    listed = nvidia_smi(f"--query-gpu={','.join(fields)}")
    if not listed:
        return None
    name, *numbers = (part.strip() for part in listed[0].split(","))
    watts, used, total, busy = (_number(part) for part in numbers)
    processes = nvidia_smi("--query-compute-apps=pid")
    return {
        "name": name,
        "watts": watts,
        "memory": None if used is None else used * 2**20,
        "total": None if total is None else total * 2**20,
        "busy": None if busy is None else busy / 100,
        "listed": str(os.getpid()) in processes,
    }


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:  # "[N/A]"
        return None
