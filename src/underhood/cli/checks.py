"""What `underhood doctor` looks at: one function a thing, each giving rows of name, state and words."""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from underhood.errors import EXTRAS, UnderhoodError

PYTHON = (3, 11)
LOW_DISK = 2e9  # bytes; a run's checkpoints and a converted data set fit well
MODULES = {"scikit-learn": "sklearn", "vl-convert-python": "vl_convert"}  # where the module is called otherwise


@dataclass(frozen=True)
class Check:
    """One thing that was examined. `absent` is no fault; `broken` is, and `mend` says what to do about it."""

    name: str
    state: Literal["ok", "absent", "broken"]
    text: str
    mend: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def examine() -> list[Check]:
    """Every check, in the order in which a reader wants them. A check that itself fails is a broken one."""
    looks = (python, packages, extras, blas, numba_threads, numba_cache, processor, memory, gpu, data_sets, folders)
    return [check for look in looks for check in _guarded(look)]


def _guarded(look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        yield from look()
    except Exception as error:
        said = str(error) if isinstance(error, UnderhoodError) else f"{type(error).__name__}: {error}"
        yield Check(look.__name__.replace("_", " "), "broken", said)


def python() -> Iterator[Check]:
    """The interpreter, and whether it is new enough."""
    text = f"{sys.version.split()[0]} at {sys.executable}"
    new_enough = sys.version_info >= PYTHON
    wanted = ".".join(map(str, PYTHON))
    yield Check("python", *(("ok", text) if new_enough else ("broken", f"{text}; {wanted} or newer is needed")))


def packages() -> Iterator[Check]:
    """What underhood cannot do without: is it installed, new enough, and does it load?"""
    found, line = {}, "pip install --force-reinstall {}"
    for requirement in requires("underhood") or []:
        if "extra ==" in requirement:
            continue
        name, least = re.match(r"([\w.-]+?)(?:>=([\d.]+))?$", requirement).groups()  # type: ignore[union-attr]
        module = MODULES.get(name, name)
        try:
            found[name] = version(name)
            import_module(module)
        except PackageNotFoundError:
            yield Check(name, "broken", "not installed", f"pip install '{requirement}'")
            continue
        except Exception as error:
            yield Check(name, "broken", f"does not load: {error}", line.format(f"'{requirement}'"))
            continue
        if least and _numbers(found[name]) < _numbers(least):
            yield Check(name, "broken", f"{found[name]} is too old", f"pip install --upgrade '{requirement}'")
    yield Check("packages", "ok", ", ".join(f"{name} {v}" for name, v in found.items()), facts=found)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def extras() -> Iterator[Check]:
    """What can be had in addition, with the line to type."""
    for module, extra in EXTRAS.items():
        if find_spec(module):
            yield Check(f"extra {extra.name}", "ok", f"{extra.brings} {version(extra.distribution)}")
        else:
            mend = f"pip install 'underhood[{extra.name}]'"
            yield Check(f"extra {extra.name}", "absent", f"{extra.brings} is not installed", mend)


def blas() -> Iterator[Check]:
    """What multiplies NumPy's matrices, and with how many threads."""
    import numpy  # noqa: F401 (what is asked is what loading it brought)
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    for pool in pools[:1]:
        threads = pool["num_threads"]
        text = f"{pool['internal_api']} {pool['version']}, {threads} thread{'s' * (threads != 1)}"
        yield Check("blas", "ok", text + f", kernels for {pool['architecture']}" * ("architecture" in pool), facts=pool)
    if not pools:
        yield Check("blas", "ok", "not one that threadpoolctl knows; its threads cannot be set")


def numba_threads() -> Iterator[Check]:
    """The layers that can run Numba's parallel loops, and the one that is taken."""
    import numba

    config: Any = numba.config
    names = {"tbb": "tbbpool", "omp": "omppool", "workqueue": "workqueue"}
    usable = [layer for layer in config.THREADING_LAYER_PRIORITY if _loads(f"numba.np.ufunc.{names[layer]}")]
    if not usable:
        return (yield Check("threading layer", "broken", "none loads", "pip install --force-reinstall numba"))
    text = f"{usable[0]} (there {'is' if len(usable) == 1 else 'are'} {', '.join(usable)}), "
    yield Check("threading layer", "ok", text + f"up to {config.NUMBA_NUM_THREADS} threads")


def _loads(module: str) -> bool:
    try:
        import_module(module)
    except ImportError:
        return False
    return True


def numba_cache() -> Iterator[Check]:
    """The folder that compiled code is kept in: without it every start compiles anew."""
    import underhood

    chosen = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(chosen) if chosen else Path(underhood.__file__).parent / "engine" / "ops" / "__pycache__"
    if _writable(folder):
        return (yield Check("numba cache", "ok", str(folder)))
    mend = "export NUMBA_CACHE_DIR=~/.cache/numba"
    yield Check("numba cache", "broken", f"{folder} cannot be written: every start will compile anew", mend)


def _writable(folder: Path) -> bool:
    """Whether a file can be made in the folder, or in the nearest one above it that exists."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def processor() -> Iterator[Check]:
    """The processor, and the width of the vectors it computes with."""
    from llvmlite import binding

    from underhood.lab.machine import machine

    known = machine()
    features = {name for name, has in binding.get_host_cpu_features().items() if has}
    widths = {"avx512f": 512, "avx2": 256, "avx": 256, "sse2": 128, "neon": 128}
    width = max((bits for name, bits in widths.items() if name in features), default=0)
    units = [name for name in ("fma", "avx512f", "amx-bf16", "amx-tile", "sve") if name in features]
    text = f"{known['cpu']}, {known['cores']} core{'s' * (known['cores'] != 1)}"
    text += f", vectors of {width} bits ({width // 32} floats)" * bool(width)
    text += f", {' '.join(units)}" * bool(units)
    facts = {"cpu": known["cpu"], "cores": known["cores"], "simd_bits": width, "features": sorted(features)}
    yield Check("processor", "ok", text, facts=facts)


def memory() -> Iterator[Check]:
    """What there is and what is free."""
    import psutil

    found = psutil.virtual_memory()
    facts = {"total": found.total, "available": found.available}
    yield Check("memory", "ok", f"{size(found.total)}, {size(found.available)} of it free", facts=facts)


def gpu() -> Iterator[Check]:
    """What PyTorch can use; without PyTorch, what the system lists."""
    from underhood.lab.machine import machine

    listed = machine()["gpus"]
    if not find_spec("torch"):
        seen = f"{', '.join(listed)}: not used without PyTorch" if listed else "none seen"
        return (yield Check("gpu", "absent", seen, "pip install 'underhood[torch]'" * bool(listed)))
    import torch

    usable = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if _cuda(torch) else []
    if usable:
        return (yield Check("gpu", "ok", ", ".join(usable), facts={"devices": usable}))
    why = f"{', '.join(listed)}: PyTorch {torch.__version__} cannot use it" if listed else "none that PyTorch can use"
    yield Check("gpu", "absent", why)


def _cuda(torch: Any) -> bool:
    return bool(torch.cuda.is_available())


def data_sets() -> Iterator[Check]:
    """The sets that are here."""
    from underhood.data import catalogue, data_root

    rows = catalogue().rows
    here = [row["name"] for row in rows if row["place"]]
    missing = [row["name"] for row in rows if not row["place"]]
    yield Check("data sets", "ok", f"{', '.join(here)} (looked in {data_root()})", facts={"found": here})
    if missing:
        yield Check("data sets", "absent", f"not found: {', '.join(missing)}", "UNDERHOOD_DATA=/path/to/data")


def folders() -> Iterator[Check]:
    """Where runs and converted data go: is there room, and may we write?"""
    from underhood.data import cache_root
    from underhood.lab.store import runs_folder

    for name, folder in (("runs", runs_folder()), ("cache", cache_root())):
        if not _writable(folder):
            mend = f"export UNDERHOOD_{name.upper()}=/a/folder/of/yours"
            yield Check(name, "broken", f"{folder} cannot be written", mend)
            continue
        free = shutil.disk_usage(next(p for p in (folder, *folder.absolute().parents) if p.exists())).free
        facts = {"folder": str(folder), "free": free}
        if free < LOW_DISK:
            yield Check(name, "broken", f"{folder}: only {size(free)} free", "make room on that disk", facts)
        else:
            yield Check(name, "ok", f"{folder}, {size(free)} free", facts=facts)


def size(count: float) -> str:
    """Bytes for people: 1.5 GB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
