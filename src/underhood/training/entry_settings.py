"""Settings that name an entry of a registry, `optimizer = {name = "adam", lr = 0.001}`, or `optimizer = "adam"`."""

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, ClassVar, Self

from pydantic import ConfigDict, model_validator

from underhood.arguments import mistake
from underhood.errors import nearest
from underhood.settings import SettingError, Settings


class EntrySettings(Settings):
    """Settings that name an entry of a registry and hold arguments for it.

    An argument that repeats the entry's default names the same trial, so it is dropped, but for two kinds: those that
    a study has a default of its own for (`own_defaults`), and those that follow something else where they are left
    out (`follow`). To validate a second time what was validated changes nothing.
    """

    model_config = ConfigDict(extra="allow")

    follow: ClassVar[frozenset[str]] = frozenset()
    checks_itself: ClassVar[bool] = False  # whether the entry is made to look at its arguments, and says what is wrong

    name: str

    @classmethod
    def entries(cls) -> dict[str, Callable[..., Any]]:
        """The functions that can be named; the first argument of each is not a setting."""
        raise NotImplementedError

    @classmethod
    def own_defaults(cls, name: str) -> Mapping[str, Any]:
        """The arguments of the entry `name` that are something else than its defaults where they are left out."""
        return {}

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments given for the entry."""
        return dict(self.model_extra or {})

    @model_validator(mode="before")
    @classmethod
    def _with_own_defaults(cls, given: Any) -> Any:
        given = {"name": given} if isinstance(given, str) else given
        if not isinstance(given, Mapping):
            return given
        return {**cls.own_defaults(str(given.get("name", cls.model_fields["name"].default))), **given}

    def parameters(self) -> tuple[inspect.Parameter, ...] | None:
        """What the entry takes as arguments; None where nothing can be said of it any more."""
        entries = self.entries()
        if self.name not in entries:
            raise SettingError("name", f'unknown "{self.name}"; {nearest(self.name, list(entries))}')
        return _parameters(entries[self.name])

    @model_validator(mode="after")
    def _known(self) -> Self:
        parameters = self.parameters()
        if parameters is None:
            return self
        known = [p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
        fields = [name for name in type(self).model_fields if name != "name"]
        names = [*fields, *(p.name for p in known if p.name not in fields and p.name != "name")]
        for given in list(self.arguments):
            if given not in names and not any(p.kind is p.VAR_KEYWORD for p in parameters):
                there_is = nearest(given, names) if names else "it takes none"
                raise SettingError(given, f'{self.name} has no "{given}"; {there_is}')
        extra, own = self.model_extra or {}, self.own_defaults(self.name)
        for p in known:
            if p.name in extra:
                extra[p.name] = _as_stored(extra[p.name])
                if not self.checks_itself and (wrong := mistake(p, extra[p.name])):
                    raise SettingError(p.name, wrong)
                if extra[p.name] == _as_stored(p.default) and p.name not in own and p.name not in self.follow:
                    del extra[p.name]
        return self


@cache  # to read a signature takes longer than to check a value against it
def _parameters(entry: Callable[..., Any]) -> tuple[inspect.Parameter, ...]:
    taken = [p for p in inspect.signature(entry).parameters.values() if p.kind is not p.VAR_KEYWORD]
    return tuple(taken[1:])


def _as_stored(value: Any) -> Any:
    """JSON knows lists alone."""
    return list(value) if isinstance(value, tuple) else value
