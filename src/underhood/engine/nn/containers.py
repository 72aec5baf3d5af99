"""Modules and parameters in lists and dictionaries, registered so that the owner finds them.

Sequential calls its modules one after the other; the other four only hold: ModuleList, ModuleDict, ParameterList,
ParameterDict.
"""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from underhood.engine.nn.module import Module, Parameter
from underhood.engine.tensor import Tensor


class Numbered(Module):
    """What the lists have in common: items that are attributes named "0", "1", …"""

    def __init__(self, items: Iterable[Any] = ()) -> None:
        super().__init__()
        self.extend(items)

    def _items(self) -> dict[str, Any]:
        return self._modules

    def _put(self, name: str, item: Any) -> None:
        self.add_module(name, item)

    def _renew(self, items: Iterable[Any]) -> None:
        """Number the items anew."""
        items = list(items)
        self._items().clear()
        for i, item in enumerate(items):
            self._put(str(i), item)

    def _place(self, index: int) -> str:
        i = operator.index(index)
        if not -len(self) <= i < len(self):
            raise IndexError(f"index {i} is out of range")
        return list(self._items())[i]

    def __len__(self) -> int:
        return len(self._items())

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._items().values()))

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return self._items()[self._place(index)]

    def __setitem__(self, index: int, item: Any) -> None:
        self._put(self._place(index), item)

    def __delitem__(self, index: int | slice) -> None:
        items = list(self)
        del items[index]
        self._renew(items)

    def append(self, item: Any) -> Self:
        self._put(str(len(self)), item)
        return self

    def extend(self, items: Iterable[Any]) -> Self:
        for item in list(items):
            self.append(item)
        return self

    def insert(self, index: int, item: Any) -> Self:
        items = list(self)
        items.insert(index, item)
        self._renew(items)
        return self

    def pop(self, index: int = -1) -> Any:
        item = self[index]
        del self[index]
        return item

    def __iadd__(self, items: Iterable[Any]) -> Self:
        return self.extend(items)

    def __add__(self, items: Iterable[Any]) -> Self:
        return type(self)([*self, *items])


class Sequential(Numbered):
    """The modules one after the other: z = m_k(… m₂(m₁(x)))."""

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], OrderedDict):
            for name, module in modules[0].items():
                self.add_module(name, module)
        else:
            self.extend(modules)

    def forward(self, input: Any) -> Any:
        for module in self._modules.values():
            input = module(input)  # type: ignore[misc]
        return input

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return Sequential(OrderedDict(list(self._modules.items())[index]))
        return super().__getitem__(index)

    def __add__(self, items: Iterable[Any]) -> Sequential:
        return Sequential(*self, *items)


class ModuleList(Numbered):
    """A list of modules that the owner calls as it likes."""

    def __repr__(self) -> str:
        """As PyTorch prints it: equal neighbours once, with how many there are."""
        runs: list[tuple[int, int, str]] = []
        for i, module in enumerate(self):
            said = repr(module)
            if runs and runs[-1][2] == said:
                runs[-1] = (runs[-1][0], i, said)
            else:
                runs.append((i, i, said))
        lines = [
            (f"({a}): {said}" if a == b else f"({a}-{b}): {b - a + 1} x {said}").replace("\n", "\n  ")
            for a, b, said in runs
        ]
        return "ModuleList(" + ("\n  " + "\n  ".join(lines) + "\n" if lines else "") + ")"


class ParameterList(Numbered):
    """A list of parameters; a tensor becomes one."""

    def _items(self) -> dict[str, Any]:
        return self._parameters

    def _put(self, name: str, item: Any) -> None:
        self._parameters[name] = _parameter(item)

    def __repr__(self) -> str:
        return _listed(self)


class Named(Module):
    """What the dictionaries have in common: items under names of their own."""

    def _items(self) -> dict[str, Any]:
        return self._modules

    def __setitem__(self, name: str, item: Any) -> None:
        self.add_module(name, item)

    def __getitem__(self, name: str) -> Any:
        return self._items()[name]

    def __delitem__(self, name: str) -> None:
        del self._items()[name]

    def __len__(self) -> int:
        return len(self._items())

    def __iter__(self) -> Iterator[str]:
        return iter(self._items())

    def __contains__(self, name: str) -> bool:
        return name in self._items()

    def clear(self) -> None:
        self._items().clear()

    def pop(self, name: str) -> Any:
        return self._items().pop(name)

    def keys(self) -> Iterable[str]:
        return self._items().keys()

    def values(self) -> Iterable[Any]:
        return self._items().values()

    def items(self) -> Iterable[tuple[str, Any]]:
        return self._items().items()

    def update(self, items: Mapping[str, Any] | Named | Iterable[tuple[str, Any]]) -> None:
        """Add all of them, or put them in the place of those that have their names."""
        for name, item in items.items() if isinstance(items, Mapping | Named) else items:
            self[name] = item


class ModuleDict(Named):
    """Modules by name."""

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        self.update(modules or {})


class ParameterDict(Named):
    """Parameters by name; a tensor becomes one."""

    def __init__(self, parameters: Mapping[str, Tensor] | None = None) -> None:
        super().__init__()
        self.update(parameters or {})

    def _items(self) -> dict[str, Any]:
        return self._parameters

    def __setitem__(self, name: str, item: Any) -> None:
        self._parameters[name] = _parameter(item)

    def __repr__(self) -> str:
        return _listed(self)


def _parameter(item: Any) -> Parameter:
    if not isinstance(item, Tensor):
        raise TypeError(f"cannot assign {type(item).__name__} as a parameter (Tensor or Parameter required)")
    return item if isinstance(item, Parameter) else Parameter(item)


def _listed(module: ParameterList | ParameterDict) -> str:
    """The parameters and their sizes, one a line."""
    sizes = {name: f"[{p.dtype.name} of size {'x'.join(map(str, p.shape))}]" for name, p in module._items().items()}
    lines = "".join(f"\n  ({name}): Parameter containing: {size}" for name, size in sizes.items())
    return f"{type(module).__name__}({lines}\n)"
