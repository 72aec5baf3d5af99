"""Deep learning with the lid off: networks you can read, measure and trust.

    import underhood

    x = underhood.tensor([[1.0, 2.0]], requires_grad=True)
    underhood.functional.relu(x).sum().backward()

    run = underhood.run("quickstart", scale="smoke")

The engine (`tensor`, `Tensor`, `from_numpy`, `no_grad`, `nn`, `functional`, `optim`, `form`, `plan`,
`compile`) has PyTorch's
names, as have the functions that torch has at its top (`cat`, `zeros`, …); `save` and `load` keep weights; the
laboratory is `run`, `open_run` and `compare`. Every name is loaded when it is first used, so that
`import underhood` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from underhood import nn, optim
    from underhood.engine import Tensor, form, from_numpy, functional, no_grad, plan, tensor
    from underhood.engine.fast.compiled import compile  # noqa: A004
    from underhood.instruments.check import check
    from underhood.instruments.cost import cost
    from underhood.instruments.memory import memory
    from underhood.instruments.profile import profile
    from underhood.instruments.scaling import scaling
    from underhood.instruments.trace import explore, trace
    from underhood.lab.comparing import compare
    from underhood.lab.results import open_run
    from underhood.service.running import run
    from underhood.weights import load, save

# Where each name of the face lives; a module stands for itself.
_FACE = {
    "Tensor": "underhood.engine",
    "check": "underhood.instruments.check",
    "compare": "underhood.lab.comparing",
    "compile": "underhood.engine.fast.compiled",
    "cost": "underhood.instruments.cost",
    "explore": "underhood.instruments.trace",
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
    "scaling": "underhood.instruments.scaling",
    "tensor": "underhood.engine",
    "trace": "underhood.instruments.trace",
}

# Functions that torch has at its top, so that `torch.cat` becomes `underhood.cat`.
_OF_TORCH = {
    "underhood.engine": """
        Generator Size device enable_grad inference_mode is_grad_enabled manual_seed random set_grad_enabled
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
        are_deterministic_algorithms_enabled dtype e finfo get_default_device get_float32_matmul_precision
        get_num_threads iinfo inf is_complex is_floating_point is_tensor nan numel pi set_default_device
        set_float32_matmul_precision set_num_threads use_deterministic_algorithms
        """,
    "underhood.engine.legacy": """
        BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor IntTensor LongTensor ShortTensor
        """,
    "underhood.amp": "GradScaler autocast",
    "underhood.engine.random": "get_rng_state initial_seed seed set_rng_state",
    "underhood.engine.functional": """
        abs absolute acos acosh adaptive_avg_pool1d add addbmm addcdiv addcmul addmm addmv addr all allclose amax
        amin aminmax any arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax argmin argsort argwhere
        asin asinh atan atan2 atanh atleast_1d atleast_2d atleast_3d avg_pool1d baddbmm batch_norm bilinear
        binary_cross_entropy_with_logits bincount bitwise_and bitwise_left_shift bitwise_not bitwise_or
        bitwise_right_shift bitwise_xor block_diag bmm broadcast_shapes broadcast_tensors broadcast_to bucketize
        cartesian_prod cat ceil celu channel_shuffle chunk clamp clamp_max clamp_min clip clone column_stack
        combinations concat concatenate conv1d conv2d conv_transpose1d conv_transpose2d copysign cos cosh
        cosine_embedding_loss cosine_similarity count_nonzero cross cummax cummin cumprod cumsum
        cumulative_trapezoid deg2rad diag diag_embed diagflat diagonal diagonal_scatter diff dist div divide dot
        dropout dsplit dstack einsum embedding eq equal erf erfc exp exp2 expm1 fix flatten flip fliplr flipud
        float_power floor floor_divide fmax fmin fmod frac gather ge ger greater greater_equal group_norm gt
        hardshrink hinge_embedding_loss histc hsplit hstack hypot index_add index_copy index_fill index_put
        index_select inner instance_norm isclose isfinite isin isinf isnan isneginf isposinf isreal kl_div kron
        kthvalue layer_norm ldexp le lerp less less_equal log log10 log1p log2 log_softmax logaddexp logaddexp2
        logcumsumexp logical_and logical_not logical_or logical_xor logit logsumexp lt margin_ranking_loss
        masked_fill masked_scatter masked_select matmul max max_pool1d max_pool2d maximum mean median meshgrid
        min minimum mm mode moveaxis movedim msort mul multinomial multiply mv nan_to_num nanmean nanmedian
        nanquantile nansum narrow ne neg negative nonzero norm not_equal outer pairwise_distance permute
        pixel_shuffle pixel_unshuffle poisson_nll_loss positive pow prelu prod quantile rad2deg ravel reciprocal
        relu relu_ remainder repeat_interleave reshape rms_norm roll rot90 round row_stack rsqrt scatter
        scatter_add searchsorted select select_scatter selu sgn sigmoid sign signbit sin sinc sinh slice_scatter
        softmax sort split sqrt square squeeze stack std std_mean sub subtract sum swapaxes swapdims t take
        take_along_dim tan tanh tensor_split tensordot threshold tile topk transpose trapezoid trapz tril
        triplet_margin_loss triu true_divide trunc unbind unflatten unique unique_consecutive unsqueeze var
        var_mean vdot vsplit vstack where xlogy
        """,
}
_FACE |= {name: home for home, names in _OF_TORCH.items() for name in names.split()}
_FACE |= {name: f"underhood.{name}" for name in ("accelerator", "amp", "autograd", "backends", "cuda", "utils")}

__all__ = [
    "Tensor",
    "__version__",
    "check",
    "compare",
    "compile",
    "cost",
    "explore",
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
    "scaling",
    "tensor",
    "trace",
]


def __getattr__(name: str) -> Any:
    if name not in _FACE:
        if name.startswith("_"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from underhood.engine.missing import refusal

        raise refusal(__name__, name, _FACE)
    home = import_module(_FACE[name])
    value = home if home.__name__ == f"{__name__}.{name}" else getattr(home, name)
    globals()[name] = value  # asked once
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_FACE})
