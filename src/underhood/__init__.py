"""Deep learning with the lid off: networks you can read, measure and trust.

    import underhood

    x = underhood.tensor([[1.0, 2.0]], requires_grad=True)
    underhood.functional.relu(x).sum().backward()

    run = underhood.run("quickstart", scale="smoke")

The engine (`tensor`, `Tensor`, `from_numpy`, `no_grad`, `nn`, `functional`, `optim`, `form`) has PyTorch's
names; the laboratory is `run` and `open_run`. Every name is loaded when it is first used, so that
`import underhood` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from underhood import nn, optim
    from underhood.engine import Tensor, form, from_numpy, functional, no_grad, tensor
    from underhood.instruments.cost import cost
    from underhood.lab.results import open_run
    from underhood.studies.running import run

# Where each name of the face lives; a module stands for itself.
_FACE = {
    "Tensor": "underhood.engine",
    "cost": "underhood.instruments.cost",
    "form": "underhood.engine",
    "from_numpy": "underhood.engine",
    "functional": "underhood.engine",
    "nn": "underhood.nn",
    "no_grad": "underhood.engine",
    "open_run": "underhood.lab.results",
    "optim": "underhood.optim",
    "run": "underhood.studies.running",
    "tensor": "underhood.engine",
}

__all__ = [
    "Tensor",
    "__version__",
    "cost",
    "form",
    "from_numpy",
    "functional",
    "nn",
    "no_grad",
    "open_run",
    "optim",
    "run",
    "tensor",
]


def __getattr__(name: str) -> Any:
    if name not in _FACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(_FACE[name])
    value = home if home.__name__ == f"{__name__}.{name}" else getattr(home, name)
    globals()[name] = value  # asked once
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
