"""Settings: frozen pydantic models that forbid what they don't know and explain what is wrong, all at once.

    class OptimizerSettings(Settings):
        name: str = "sgd"
        lr: float = 0.01

    load(TrainingSettings, file=Path("trial.toml"), sets=["optimizer.lr=0.1"])

Settings are the *what* of a trial: all that may change its numbers. How it runs (workers, checkpoint
interval, progress) is never a setting. They come in layers, each over the one before: the model's defaults,
what the study sets, a TOML file, `--set` on the command line. A key is a path with dots, `optimizer.lr`.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from underhood.errors import BadInput, nearest
from underhood.values import read_value, toml_or_none

S = TypeVar("S", bound="Settings")

# Of a setting that stands in a user's file: where the file lies, which is no part of a trial's id, and what it holds.
LOCATED = frozenset({"source_file"})
DIGESTS = frozenset({"source_sha256"})


class Settings(BaseModel):
    """A frozen model. Three rules on top of pydantic's:

    - a plain string stands for a model with a `name`: `network = "mlp"` is `network = {name = "mlp"}`;
    - text is not taken for a number or a truth value, nor one of these for the other;
    - where a setting may be None, the word `none` means it, for TOML has no other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) and "name" in cls.model_fields else value

    @field_validator("*", mode="wrap")
    @classmethod
    def _same_kind(cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        if isinstance(value, str) and value == "none" and _may_be_none(cls, info.field_name):
            return None
        read = handler(value)
        if {_kind(value), _kind(read)} in ({"text", "number"}, {"text", "truth"}, {"number", "truth"}):
            raise ValueError(_other_kind(value, read))
        return read


def _may_be_none(model: type[BaseModel], name: str | None) -> bool:
    return name in model.model_fields and NoneType in get_args(model.model_fields[name].annotation)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else ""


def _other_kind(value: Any, read: Any) -> str:
    """`"1e-3 " is text; write 1e-3`."""
    kind = {"truth": "a truth value", "number": "a number", "text": "text"}[_kind(value)]
    if _kind(read) == "truth":
        return f"{_shown(value)} is {kind}; write {_shown(read)}"
    return f"{_shown(value)} is {kind}; " + (f"write {value.strip()}" if kind == "text" else "write a number")


# ----------------------------------------------------------------------------------------------------
# Mistakes: collected, then reported together


class Mistakes(BadInput):
    """Everything that is wrong with what was asked for, a line each; nothing was started."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(dict.fromkeys(lines))  # the same mistake in ten trials of a grid is one
        count = f"{len(self.lines)} mistake" + ("s" if len(self.lines) > 1 else "")
        super().__init__("\n".join([*self.lines, f"{count}; nothing was started."]))


class SettingError(ValueError):
    """What a model's own check says of one of its settings: `raise SettingError("name", 'unknown "adamx"')`.

    A check of the whole model knows which setting is wrong; pydantic alone would name the model.
    """

    def __init__(self, key: str, text: str) -> None:
        super().__init__(text)
        self.key = key


@dataclass(frozen=True)
class Layer:
    """Settings from one source: nested values, for each key the location to name when it is wrong, and what
    could not even be read.
    """

    values: dict[str, Any] = field(default_factory=dict)
    locations: dict[tuple[str, ...], str] = field(default_factory=dict)
    mistakes: tuple[str, ...] = ()

    def over(self, below: "Layer", models: Sequence[type[BaseModel]] = ()) -> "Layer":
        """Both, with `below` giving way where they meet; `models` are those that the values are of."""
        mistakes = below.mistakes + self.mistakes
        if self.values.keys().isdisjoint(below.values):  # as nearly all are: they do not meet
            return Layer(below.values | self.values, below.locations | self.locations, mistakes)
        replaced = {path for path in self.locations if not isinstance(_at(self.values, path), dict)}
        kept = {
            key: at
            for key, at in below.locations.items()
            if not any(key[:length] in replaced for length in range(1, len(key) + 1))
        }
        return Layer(_merged(below.values, self.values, models), kept | self.locations, mistakes)

    def location(self, path: tuple[str, ...]) -> str:
        """Where `path` was written, or the nearest key around it, or the first within it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.locations:
                return self.locations[path[:length]]
        within = (location for key, location in self.locations.items() if key[: len(path)] == path)
        return next(within, "")


def _at(values: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        values = values[key] if isinstance(values, dict) else None
    return values


def _merged(below: Any, above: Any, models: Sequence[type[BaseModel]]) -> Any:
    if isinstance(below, dict) and isinstance(above, str):
        above = {"name": above}
    if isinstance(below, str) and isinstance(above, dict):
        below = {"name": below}
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    renamed = below.get("name", above.get("name")) != above.get("name", below.get("name"))
    if renamed and any(model.model_config.get("extra") == "allow" for model in models):
        return above  # another entry is named: the arguments below were the old one's
    return below | {
        key: value if value == {} and _is_free(models, key) else _merged(below.get(key), value, _inner(models, key))
        for key, value in above.items()
    }


def _is_free(models: Sequence[type[BaseModel]], key: str) -> bool:
    """Whether the setting `key` is a mapping with keys of the user's own, as the grid of a search: {} empties it."""
    fields = [model.model_fields[key] for model in models if key in model.model_fields]
    return any(get_origin(field.annotation) is dict for field in fields)


def _inner(models: Sequence[type[BaseModel]], key: str) -> list[type[BaseModel]]:
    """The models of the setting `key` of any of `models`."""
    fields = (model.model_fields[key] for model in models if key in model.model_fields)
    return [inner for field in fields for inner in _models(field.annotation)]


# ----------------------------------------------------------------------------------------------------
# The layers' sources: a dict, a TOML file, words of the command line


def from_dict(values: Mapping[str, Any], location: str = "") -> Layer:
    """A layer from Python values, nested or with dots in the keys; `location` stands before its mistakes."""
    layer = Layer()
    for key, value in values.items():
        path = tuple(key.split("."))
        inner = from_dict(value, location) if isinstance(value, Mapping) else None
        nested: Any = value if inner is None else inner.values
        locations = {path + below: location for below in inner.locations} if inner else {}
        for name in reversed(path):
            nested = {name: nested}
        layer = Layer(nested, {path: location} | locations).over(layer)
    return layer


def from_file(path: Path) -> Layer:
    """A layer from a TOML file; its mistakes carry the line: `trial.toml:7: `."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        values = tomllib.loads(text)
    except OSError as error:
        return Layer(mistakes=(f"{path}: cannot be read: {error.strerror}",))
    except UnicodeDecodeError:
        return Layer(mistakes=(f"{path}: is not UTF-8 text, as TOML must be",))
    except tomllib.TOMLDecodeError as error:
        what, _, where = str(error).partition(" (at ")
        line = re.search(r"line (\d+)", where)
        return Layer(mistakes=(f"{path}:{line[1]}: {what}" if line else f"{path}: {what} at the end of the file",))
    return Layer(values, {key: f"{path}:{line}: " for key, line in _toml_lines(text)})


def _toml_lines(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """Each key of a valid TOML text with the line it stands on.

    A statement is the shortest run of lines that TOML accepts alone, which keeps multi-line strings and
    arrays whole without a second parser.
    """
    lines, start = text.split("\n"), 0
    header: tuple[str, ...] = ()
    while start < len(lines):
        end, statement = start + 1, toml_or_none(lines[start])
        while statement is None:
            end += 1
            statement = toml_or_none("\n".join(lines[start:end]))
        keys = list(_paths(statement))
        if lines[start].lstrip().startswith("["):
            header, keys = keys[-1], [()]
        yield from ((header + key, start + 1) for key in keys)
        start = end


def _paths(values: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every key, tables before what they hold."""
    for key, value in values.items():
        yield (*prefix, key)
        if isinstance(value, Mapping):
            yield from _paths(value, (*prefix, key))


def from_words(words: Sequence[str], option: str = "--set") -> Layer:
    """A layer from `key=value` words; a value is read as TOML, and as bare text when it isn't TOML."""
    whole = Layer()
    for word in words:
        key, equals, value = word.partition("=")
        if equals and all(key.strip().split(".")):
            layer = from_dict({key.strip(): read_value(value)}, f"{option} ")
        else:
            layer = Layer(mistakes=(f"{option} {word}: write it as {option} KEY=VALUE",))
        whole = layer.over(whole)
    return whole


# ----------------------------------------------------------------------------------------------------
# Loading, and saying what is wrong


def load(
    model: type[S],
    *,
    file: Path | None = None,
    sets: Sequence[str] = (),
    base: Mapping[str, Any] | None = None,
) -> S:
    """The settings that `base`, then the TOML `file`, then the words of `--set` make of `model`.

    Raises Mistakes, a BadInput, that lists all that is wrong in all three, each with its location.
    """
    above = from_file(file) if file else Layer()
    return build(model, [from_dict(base or {}), above, from_words(sets)])


def build(model: type[S], layers: Sequence[Layer]) -> S:
    """The settings that `layers`, lowest first, make of `model`; Mistakes when they don't fit it."""
    whole = Layer()
    for layer in layers:
        whole = layer.over(whole, [model])
    try:
        settings = model.model_validate(whole.values)
    except ValidationError as error:
        raise Mistakes([*whole.mistakes, *_messages(model, whole, error)]) from error
    if whole.mistakes:
        raise Mistakes(whole.mistakes)
    return settings


def _messages(model: type[BaseModel], layer: Layer, error: ValidationError) -> Iterator[str]:
    """A line for each key that is wrong; what the members of a union say about one key is one line."""
    messages: dict[tuple[str, ...], list[str]] = {}
    for detail in error.errors(include_url=False):
        path = _path_in(layer.values, detail)
        messages.setdefault(path, []).append(_message(model, path, detail))
    for path, texts in messages.items():
        yield f"{layer.location(path)}{'.'.join(path) or model.__name__}: {', or '.join(dict.fromkeys(texts))}"


def _path_in(values: Any, detail: ErrorDetails) -> tuple[str, ...]:
    """The location that pydantic gives, without list indices and the names of a union's members."""
    path: list[str] = []
    for part in detail["loc"]:
        if isinstance(values, Mapping) and part in values:
            path.append(str(part))
            values = values[part]
        elif isinstance(values, list | tuple) and isinstance(part, int):
            values = values[part]
    if detail["type"] == "missing":
        path.append(str(detail["loc"][-1]))
    if detail["type"] == "value_error" and isinstance(detail["ctx"]["error"], SettingError):
        path.append(detail["ctx"]["error"].key)
    return tuple(path)


def _message(model: type[BaseModel], path: tuple[str, ...], detail: ErrorDetails) -> str:
    kind, value = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        return "unknown setting; " + _nearest_setting(model, path)
    if kind == "missing":
        return "is needed and has no default"
    if kind in ("literal_error", "enum"):
        choices = re.findall(r"'([^']*)'", detail["ctx"]["expected"])
        if isinstance(value, str) and choices:
            return f'unknown "{value}"; {nearest(value, choices)}'
        return f"{_shown(value)} is none of {detail['ctx']['expected']}"
    if kind in ("model_type", "model_attributes_type"):
        names = ", ".join(_settings_in(model, path))
        return f"{_shown(value)} is not a table of settings ({names})"
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    return detail["msg"].replace("Input", _shown(value), 1)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "…"


def _nearest_setting(model: type[BaseModel], path: tuple[str, ...]) -> str:
    """The right spelling beside it, or the same name elsewhere: `lr` for `optimizer.lr`."""
    elsewhere = [name for name in settings_fields(model) if name.split(".")[-1] == path[-1]]
    if elsewhere:
        return "did you mean " + " or ".join(f'"{name}"' for name in elsewhere) + "?"
    return nearest(path[-1], _settings_in(model, path[:-1]))


def _settings_in(model: type[BaseModel], path: tuple[str, ...]) -> list[str]:
    """The names of the settings at `path`."""
    models = [model]
    for key in path:
        models = _inner(models, key)
    return list(dict.fromkeys(name for inner in models for name in inner.model_fields))


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


# ----------------------------------------------------------------------------------------------------
# Reading settings


def settings_fields(model: type[BaseModel], prefix: str = "") -> dict[str, FieldInfo]:
    """Every setting of a model by its path with dots, those of inner models after the model itself."""
    found = {}
    for name, info in model.model_fields.items():
        found[prefix + name] = info
        for inner in _models(info.annotation):
            found |= settings_fields(inner, f"{prefix}{name}.")
    return found


def flattened(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of nested settings by their paths with dots."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        found |= flattened(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return found


def value_at(settings: Any, key: str) -> Any:
    """The value at a path with dots in a Settings or a nested dict; KeyError names the whole path."""
    for name in key.split("."):
        try:
            settings = settings[name] if isinstance(settings, Mapping) else getattr(settings, name)
        except (KeyError, AttributeError) as error:
            raise KeyError(key) from error
    return settings


def non_default(settings: BaseModel) -> dict[str, Any]:
    """What differs from the defaults, nested and JSON-able: the part of the settings that makes an id.

    A setting added later with a default doesn't show here, so it re-keys nothing.
    """
    dumped = settings.model_dump(mode="json")
    differing: dict[str, Any] = {}
    for name, info in type(settings).model_fields.items():
        value = getattr(settings, name)
        if not info.is_required() and value == _defaults(type(settings))[name]:
            continue
        differing[name] = non_default(value) if isinstance(value, BaseModel) else dumped[name]
    return differing | {name: dumped[name] for name in settings.model_extra or {} if name not in LOCATED}


@cache
def _defaults(model: type[BaseModel]) -> dict[str, Any]:
    """The default of each field that has one, made once: to compare with, never to hand out."""
    return {
        name: info.get_default(call_default_factory=True, validated_data={})
        for name, info in model.model_fields.items()
        if not info.is_required()
    }
