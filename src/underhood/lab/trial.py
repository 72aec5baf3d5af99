"""A trial's identity: which function, with which settings and seed, on which data.

    id = sha256(canonical JSON of {schema, function, non-default settings, seed, data's fingerprint})[:12]

So the same question has the same id wherever and whenever it is asked, and a setting added later with a
default re-keys nothing. The code that answers it is no part of the id: its fingerprint is stored beside the
result and compared (code.py), so that one can be asked whether a result of older code is to be kept.
"""

import hashlib
import importlib
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from underhood.errors import BadInput, UnderhoodError
from underhood.python_files import without_bytecode
from underhood.settings import Settings, non_default

SCHEMA = "underhood.trial/1"


class SettingsChangedError(UnderhoodError):
    """A trial's settings are not the ones that were stored: their model doesn't take what it gave."""


@dataclass(frozen=True)
class TrialSpec:
    """One trial to run.

    `function` names it as "module:name"; a function in a user's file as "stem:name", with the file in `file`,
    so that moving a file re-keys nothing either.
    """

    function: str
    settings: Settings
    seed: int
    data_fingerprint: str | None = None
    file: Path | None = None

    @cached_property
    def id(self) -> str:
        """Twelve hexadecimal digits: 48 bits, a clash among a million trials has a chance of 0.2 %."""
        return digest(self._identity | {"seed": self.seed})

    @cached_property
    def group(self) -> str:
        """The id of the setting: the same for all seeds."""
        return digest(self._identity)

    @property
    def threads(self) -> int:
        """How many threads the trial computes with: its settings' `threads`, 1 where they have none."""
        return int(getattr(self.settings, "threads", 1))

    @property
    def devices(self) -> int:
        """How many workers it is computed by: its settings' `devices`, 1 where they have no such number."""
        return _devices(getattr(self.settings, "devices", 1))

    @cached_property
    def _identity(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "function": self.function,
            "settings": non_default(self.settings),
            "data": self.data_fingerprint,
        }

    def to_json(self) -> dict[str, Any]:
        """What a worker needs to run the trial, and the store to tell what it was."""
        return {
            "id": self.id,
            "group": self.group,
            "function": self.function,
            "file": None if self.file is None else str(self.file),
            "model": reference(type(self.settings)),
            "settings": self.settings.model_dump(mode="json"),
            "non_default": self._identity["settings"],
            "seed": self.seed,
            "data": self.data_fingerprint,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "TrialSpec":
        """The trial that `to_json` wrote. Imports the settings' model.

        Raises SettingsChangedError where its settings, or the id that they give, are not those that were written.
        """
        model: type[Settings] = resolve(stored["model"])
        file = None if stored["file"] is None else Path(stored["file"])
        spec = cls(stored["function"], model.model_validate(stored["settings"]), stored["seed"], stored["data"], file)
        read = spec.settings.model_dump(mode="json")
        changed = [f"{key}: {was} became {now}" for key, was, now in _differing(stored["settings"], read)]
        if changed or spec.id != stored["id"]:
            what = "; ".join(changed) or f"its id became {spec.id}"
            raise SettingsChangedError(f"trial {stored['id']}: its settings changed when they were read again: {what}")
        return spec

    @classmethod
    def of(cls, function: Callable[..., Any], settings: Settings, seed: int, data: str | None = None) -> "TrialSpec":
        """The trial of a function at the top of a module or of a user's file."""
        module, _, name = reference(function).rpartition(":")
        if not module.endswith(".py"):
            return cls(f"{module}:{name}", settings, seed, data)
        return cls(f"{Path(module).stem}:{name}", settings, seed, data, Path(module))

    def load(self) -> Callable[..., Any]:
        """The trial's function."""
        _, _, name = self.function.partition(":")
        function: Callable[..., Any] = resolve(f"{self.file}:{name}" if self.file else self.function)
        return function


def devices_of(stored: dict[str, Any]) -> int:
    """TrialSpec.devices of what `to_json` wrote, whose settings need not be imported for it."""
    return _devices(stored["settings"].get("devices", 1))


def _devices(given: Any) -> int:
    return given if isinstance(given, int) else 1


def _differing(stored: Any, read: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Each stored setting that reads otherwise: its key, what was stored, what was read. One added since is none."""
    if isinstance(stored, dict) and isinstance(read, dict):
        for key, value in stored.items():
            yield from _differing(value, read.get(key), f"{path}.{key}" if path else key)
    elif canonical(stored) != canonical(read):
        yield path, canonical(stored), canonical(read)


def canonical(value: Any) -> str:
    """JSON in one spelling: keys sorted, no spaces, shortest digits that give the number back."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest(value: Any) -> str:
    """Twelve hexadecimal digits that stand for a JSON-able value."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:12]


# ----------------------------------------------------------------------------------------------------
# Functions and models by name: what crosses to another process is a reference, never a pickle


def reference(thing: Callable[..., Any]) -> str:
    """The name by which another process finds `thing`: "module:name", or "/path/file.py:name"."""
    name = thing.__qualname__
    if "<" in name:
        raise BadInput(f"{name}: a trial and its settings must stand at the top of a module, not in a function")
    module = sys.modules[thing.__module__]
    if is_importable(module):
        return f"{module.__name__}:{name}"
    file = getattr(module, "__file__", None)
    if file is None:
        raise BadInput(f"{name}: a trial must stand in a file, so that its worker can load it")
    return f"{Path(file).resolve()}:{name}"


def resolve(name: str) -> Any:
    """What `reference` named."""
    module_name, _, path = name.rpartition(":")
    if module_name.endswith(".py"):
        thing: Any = load_file(Path(module_name))
    else:
        thing = importlib.import_module(module_name)
    for part in path.split("."):
        thing = getattr(thing, part)
    return thing


def is_importable(module: ModuleType) -> bool:
    """Whether `import` finds this very module: not `__main__`, nor a file that was loaded by its path."""
    if module.__name__ == "__main__" or getattr(module, "__file__", None) is None:
        return False
    top, *rest = module.__name__.split(".")
    spec = next(filter(None, (finder.find_spec(top, None) for finder in sys.meta_path)), None)
    if spec is None or spec.origin is None:
        return False
    base = Path(spec.origin).parent if spec.submodule_search_locations else Path(spec.origin).with_suffix("")
    at = base.joinpath(*rest)
    return Path(str(module.__file__)).resolve() in (
        at.with_suffix(".py").resolve(),
        (at / "__init__.py").resolve(),
    )


_moved: list[Path] = []  # below which users' files lie, where they came from another machine


def look_below(files: Path | None) -> None:
    """Look for users' files below this folder from now on; None: where they say they are."""
    _moved[:] = [] if files is None else [files]


def found_at(path: Path) -> Path:
    """Where a user's file is that a trial names."""
    return _moved[0].joinpath(*path.parts[1:]) if _moved else path


def load_file(path: Path) -> ModuleType:
    """The module of a user's file, loaded once; what lies beside the file can be imported from it."""
    path = found_at(path).resolve()
    name = f"underhood_file_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}_{path.stem}"
    if name in sys.modules:
        return sys.modules[name]
    if not path.is_file():
        raise BadInput(f"{path}: no such file")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadInput(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    sys.modules[name] = module
    try:
        with without_bytecode():
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
