"""Deep learning with the lid off: networks you can read, measure and trust.

    import underhood

    x = underhood.tensor([[1.0, 2.0]], requires_grad=True)
    underhood.functional.relu(x).sum().backward()

    run = underhood.run("quickstart", scale="smoke")

The engine (`tensor`, `Tensor`, `from_numpy`, `no_grad`, `nn`, `functional`, `optim`, `form`, `plan`) has PyTorch's
names, as have the functions that torch has at its top (`cat`, `zeros`, …); `save` and `load` keep weights; the
laboratory is `run` and `open_run`. Every name is loaded when it is first used, so that
`import underhood` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from underhood import nn, optim
    from underhood.engine import Tensor, form, from_numpy, functional, no_grad, plan, tensor
    from underhood.instruments.check import check
    from underhood.instruments.cost import cost
    from underhood.instruments.memory import memory
    from underhood.instruments.profile import profile
    from underhood.instruments.trace import trace
    from underhood.lab.results import open_run
    from underhood.service.running import run
    from underhood.weights import load, save

# Where each name of the face lives; a module stands for itself.
_FACE = {
    "Tensor": "underhood.engine",
    "check": "underhood.instruments.check",
    "cost": "underhood.instruments.cost",
    "form": "underhood.engine",
    "from_numpy": "underhood.engine",
    "functional": "underhood.engine",
    "load": "underhood.weights",
    "memory": "underhood.instruments.memory",
    "nn": "underhood.nn",
    "no_grad": "underhood.engine",
    "open_run": "underhood.lab.results",
    "optim": "underhood.optim",
    "plan": "underhood.engine",
    "profile": "underhood.instruments.profile",
    "run": "underhood.service.running",
    "save": "underhood.weights",
    "tensor": "underhood.engine",
    "trace": "underhood.instruments.trace",
}

# Functions that torch has at its top, so that `torch.cat` becomes `underhood.cat`.
_OF_TORCH = {
    "underhood.engine": """
        Generator Size autograd device enable_grad inference_mode is_grad_enabled manual_seed random set_grad_enabled
        """,
    "underhood.engine.dtypes": """
        bool double float float32 float64 get_default_dtype int int16 int32 int64 int8 long result_type
        set_default_dtype short uint8
        """,
    "underhood.engine.creation": """
        arange as_tensor asarray empty empty_like eye full full_like linspace logspace ones ones_like scalar_tensor
        zeros zeros_like
        """,
    "underhood.engine.draws": "bernoulli normal rand rand_like randint randint_like randn randn_like randperm",
    "underhood.engine.environment": """
        are_deterministic_algorithms_enabled get_default_device get_float32_matmul_precision get_num_threads
        is_complex is_floating_point is_tensor numel set_default_device set_float32_matmul_precision set_num_threads
        use_deterministic_algorithms
        """,
    "underhood.engine.legacy": """
        BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor IntTensor LongTensor ShortTensor
        """,
    "underhood.engine.random": "get_rng_state initial_seed seed set_rng_state",
    "underhood.engine.functional": """
        abs add all allclose amax amin any argmax argmin argsort bmm broadcast_to cat ceil chunk clamp clone cos
        count_nonzero cumsum div dot eq equal erf exp expm1 flatten floor floor_divide gather ge gt index_put
        index_select isclose isfinite isinf isnan le log log10 log1p log2 log_softmax logical_and logical_not
        logical_or logical_xor logsumexp lt masked_fill masked_select matmul max maximum mean min minimum mm
        movedim mul mv narrow ne neg nonzero norm outer permute pow reciprocal relu remainder repeat_interleave
        reshape round rsqrt scatter scatter_add select sigmoid sign sin softmax sort split sqrt square squeeze
        stack std sub sum t tanh tile topk transpose tril triu unbind unflatten unsqueeze var where
        """,
}
_FACE |= {name: home for home, names in _OF_TORCH.items() for name in names.split()}
_FACE |= {name: f"underhood.{name}" for name in ("accelerator", "amp", "backends", "cuda", "utils")}

__all__ = [
    "Tensor",
    "__version__",
    "check",
    "cost",
    "form",
    "from_numpy",
    "functional",
    "load",
    "memory",
    "nn",
    "no_grad",
    "open_run",
    "optim",
    "plan",
    "profile",
    "run",
    "save",
    "tensor",
    "trace",
]


def __getattr__(name: str) -> Any:
    if name not in _FACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(_FACE[name])
    value = home if home.__name__ == f"{__name__}.{name}" else getattr(home, name)
    globals()[name] = value  # asked once
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_FACE})
