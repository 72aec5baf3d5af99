"""How a study runs: nothing here changes a number."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from underhood.errors import BadInput, nearest
from underhood.hosts import Hosts
from underhood.lab.executors import Executor
from underhood.lab.executors.local import LocalPool
from underhood.lab.run_events import Listener, nobody
from underhood.lab.stopping import StopWhen
from underhood.lab.store import folder_name
from underhood.lab.study import Given, Study
from underhood.lab.trial import TrialSpec
from underhood.lab.worker import WhenFull
from underhood.sizes import parse_size, size_text
from underhood.values import write_value


@dataclass(frozen=True)
class How:
    """`parallel` trials at once, None for as many as cores and memory bear (slots.py), or one where times are compared;
    `executor` runs them, given how many at once. `runs` and `name` say where the run is kept; `data` is the folder of
    the data sets.

    A failed trial is tried again up to `retry` times; each trial's process is held to `memory_limit` bytes, and to its
    settings' `memory_limit` where that is less. The run stops when a trial measures what `stop_when` says. `changed`
    says what to do with results of older code: "ask" asks `ask(text)` whether to run them again, and keeps them with a
    warning when there is nobody to ask. A trial writes a checkpoint every `checkpoint_every` seconds; where the disk
    has no room for one it goes on without, or stops as failed, with its last one, as `when_full` says. The workers of
    a trial on several devices are spread over `hosts`, the first of which is this machine, reached by `via` (hosts.py).
    """

    parallel: int | None = 1
    runs: Path | None = None
    name: str | None = None
    data: Path | None = None
    listener: Listener = nobody
    checkpoint_every: float = 60.0
    when_full: WhenFull = "go-on"
    retry: int = 0
    memory_limit: int | None = None
    stop_when: StopWhen | None = None
    changed: Literal["ask", "keep", "rerun"] = "ask"
    ask: Callable[[str], bool] | None = None
    executor: Callable[[int], Executor] = LocalPool
    hosts: tuple[str, ...] = ()
    via: str | None = None

    def __post_init__(self) -> None:
        if self.parallel is not None and self.parallel < 1:
            raise BadInput(f"--parallel {self.parallel}: at least one trial must run at once")
        if not self.checkpoint_every >= 0:
            raise BadInput(f"--checkpoint-every {self.checkpoint_every:g}: seconds, 0 or more")
        if self.when_full not in (known := list(get_args(WhenFull))):
            raise BadInput(f'--when-full: unknown "{self.when_full}"; {nearest(self.when_full, known)}')
        if self.name is not None:
            folder_name(self.name, "--name")
        if self.retry < 0:
            raise BadInput(f"--retry {self.retry}: cannot be less than 0")

    def check_hosts(self, specs: Sequence[TrialSpec]) -> None:
        """Refuse hosts for no trial, a first one that is another machine, and workers that do not divide over them."""
        if not self.hosts:
            if self.via is not None:
                raise BadInput("--via: says how hosts are reached; name them by --hosts")
            return
        hosts = Hosts.of(self.hosts, self.via)
        counts = {spec.devices for spec in specs}
        if max(counts, default=1) == 1:
            raise BadInput("--hosts: no trial has several workers; say how many by --devices")
        for devices in counts:
            hosts.nodes(devices)
        hosts.check()

    def limit_of(self, spec: TrialSpec) -> int | None:
        """The bytes that a trial's process is held to: the less of what is asked of all and what its settings say."""
        own = getattr(spec.settings, "memory_limit", None)
        limits = [limit for limit in (self.memory_limit, None if own is None else parse_size(own)) if limit is not None]
        return min(limits, default=None)


def command_of(
    study: Study,
    scale: str,
    sets: Given,
    seeds: int | None,
    file: Path | None,
    grid: Given,
    tune: bool,
    fit: int | None,
    how: How,
) -> str:
    """The command that repeats a run, or goes on with it."""
    words = ["underhood", "run", str(study.file or study.name), "--scale", scale]
    words += [word for each in _as_words(sets, write_value) for word in ("--set", each)]
    words += [word for each in _as_words(grid, _as_axis) for word in ("--grid", each)]
    words += ["--tune"] * tune
    options = {"settings": file, "seeds": seeds, "name": how.name, "runs": how.runs, "data": how.data}
    options |= {"memory-limit": None if how.memory_limit is None else size_text(how.memory_limit)}
    options |= {"hosts": ",".join(how.hosts) or None, "via": how.via}
    options |= {"fit": None if fit is None else size_text(fit)}
    for option, value in options.items():
        words += [] if value is None else [f"--{option}", str(value)]
    return shlex.join(words)


def _as_words(given: Given, write: Callable[[Any], str]) -> list[str]:
    if isinstance(given, Mapping):
        return [f"{key}={write(value)}" for key, value in given.items()]
    return list(given)


def _as_axis(values: Sequence[Any]) -> str:
    return ",".join(map(write_value, values))
