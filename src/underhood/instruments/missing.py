"""PyTorch's public names, held against those of the package: the list of what is missing, for the documents.

    python -m underhood.instruments.missing docs/differences.md        (`make docs`)

Names are asked of the PyTorch that is installed, and kept for the errors of `underhood.engine.missing`.
"""

import inspect
import json
import sys
from importlib import import_module
from pathlib import Path
from textwrap import fill
from typing import Any

from underhood.engine import Tensor
from underhood.engine.missing import FILE, NEAREST
from underhood.instruments.pytorch import load_torch

MODULES = (
    "torch",
    "torch.nn",
    "torch.nn.functional",
    "torch.nn.init",
    "torch.nn.utils",
    "torch.optim",
    "torch.optim.lr_scheduler",
    "torch.utils.data",
    "torch.autograd",
)
BEGIN, END = "<!-- what is missing, by `make docs` -->", "<!-- the end of what is missing -->"
# what serves one library, device or kind of storage, and is not for users to call
INTERNAL = ("_", "cudnn_", "fbgemm_", "hash_tensor", "miopen_", "mkldnn_", "native_", "quantized_", "sym_")
WHOLE = ("distributed", "distributions", "export", "fft", "func", "hub", "jit", "linalg", "onnx", "sparse", "special")


def names_of_torch() -> dict[str, list[str]]:
    """The public names of each module of PyTorch's, and of its Tensor."""
    torch: Any = load_torch("missing")
    found = {module: _public(import_module(module)) for module in MODULES}
    found["torch"] = sorted({*found["torch"], *WHOLE})
    found["torch.Tensor"] = sorted(name for name in dir(torch.Tensor) if not name.startswith("_"))
    return found


def _public(module: Any) -> list[str]:
    """The names in `__all__`, or the functions and classes that stand there."""
    listed = getattr(module, "__all__", None) if module.__name__ != "torch.nn.functional" else None
    names = listed or [name for name in dir(module) if _own(module, getattr(module, name))]
    return sorted({name for name in names if not (name.startswith(INTERNAL) or _internal(getattr(module, name)))})


def _internal(value: Any) -> bool:
    """A module, or a class of the compiler's."""
    return inspect.ismodule(value) or (inspect.isclass(value) and str(value.__module__).startswith("torch._C"))


def _own(module: Any, value: Any) -> bool:
    if inspect.isclass(value):
        return str(value.__module__).startswith(module.__name__)
    home = getattr(value, "__module__", None)
    return callable(value) and (home is None or str(home).startswith(("torch.nn", "torch._C", "torch._jit")))


def missing() -> dict[str, list[str]]:
    """What PyTorch has and the package lacks, by PyTorch's module."""
    lacks = {}
    for module, names in names_of_torch().items():
        if module == "torch.Tensor":
            lacks[module] = [name for name in names if not hasattr(Tensor, name) and name != "grad"]
        else:
            ours = import_module(module.replace("torch", "underhood", 1))
            lacks[module] = [name for name in names if not hasattr(ours, name)]
    return lacks


def section() -> str:
    """The list, in Markdown."""
    lines = [BEGIN, ""]
    whole = names_of_torch()
    for module, names in missing().items():
        lines += [f"**`{module}`**: {len(names)} of {len(whole[module])} public names.", "", _wrapped(names), ""]
    lines += ["Where something stands near what is missing:", ""]
    lines += [f"- `{name}`: {instead}" for name, instead in sorted(NEAREST.items())]
    return "\n".join([*lines, "", END])


def _wrapped(names: list[str]) -> str:
    return fill(", ".join(f"`{name}`" for name in names), 120, break_long_words=False, break_on_hyphens=False)


def main(path: Path) -> int:
    """Write the names, then the section of the page."""
    FILE.write_text(json.dumps(names_of_torch(), indent=1) + "\n", encoding="utf-8")
    page = path.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    path.write_text(before + section() + rest.partition(END)[2], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
