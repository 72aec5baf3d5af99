"""Multiply–adds of one operation, with the sum that gives them.

    convolution          (K·K·C/g)·O·(H'·W')        a dot product of K·K·C/g terms for each of O·H'·W' outputs
    transposed           (K·K·O/g)·C·(H·W)          each input is spread over K·K·O/g outputs
    matrix product       M·(K·N)                    and B times that for a batch of B

times the batch. One multiply–add (MAC) is one product with its addition; what vendors call a FLOP is half of
it, so FLOPs = 2 · MACs, though the GFLOPS of many papers and tables are giga-MACs. Biases are not counted.

Elementwise operations, normalisations, pools and the moving of data have no dot products and are left out by
this convention; an operation that is neither known to have some nor known to have none is "not counted".
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

from underhood.instruments.pytorch import load_torch
from underhood.instruments.record import Operation

# no dot products, though neither pointwise nor views (which torch itself marks)
_WITHOUT = """
max_pool1d max_pool2d max_pool3d max_pool2d_with_indices max_pool3d_with_indices max_pool1d_with_indices
avg_pool1d avg_pool2d avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_avg_pool1d
adaptive_avg_pool2d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d fractional_max_pool2d
native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training cudnn_batch_norm
batch_norm_with_update native_layer_norm native_group_norm _fused_rms_norm local_response_norm
_softmax _log_softmax _safe_softmax native_dropout bernoulli_ bernoulli uniform_ normal_ random_ rand
randn randint rand_like randn_like randperm mean sum prod amax amin max min argmax argmin var std var_mean
std_mean norm linalg_vector_norm logsumexp cumsum cumprod any all median sort topk unique2 _unique2 nonzero
count_nonzero searchsorted bucketize histc bincount cat stack split split_with_sizes unbind unsafe_split
unsafe_split_with_sizes unsafe_chunk repeat tile repeat_interleave roll flip rot90 index index_put
index_put_ _index_put_impl_ index_select index_copy index_copy_ index_add index_add_ index_fill gather scatter
scatter_ scatter_add scatter_add_ scatter_reduce masked_fill masked_fill_ masked_select masked_scatter where
take embedding embedding_bag _embedding_bag one_hot constant_pad_nd reflection_pad1d reflection_pad2d
reflection_pad3d replication_pad1d replication_pad2d replication_pad3d pixel_shuffle pixel_unshuffle
channel_shuffle native_channel_shuffle im2col col2im upsample_nearest1d upsample_nearest2d
upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d upsample_linear1d
upsample_bilinear2d _upsample_bilinear2d_aa upsample_bicubic2d upsample_trilinear3d grid_sampler_2d
grid_sampler_3d clone copy_ copy _to_copy empty empty_like new_empty empty_strided new_empty_strided zeros
zeros_like new_zeros ones ones_like new_ones full full_like new_full scalar_tensor arange linspace eye tril
triu tril_ triu_ fill fill_ zero_ lift_fresh lift_fresh_copy _unsafe_view reshape contiguous resize_ set_
glu binary_cross_entropy nll_loss_forward nll_loss2d_forward mse_loss smooth_l1_loss huber_loss
rsub log_sigmoid_forward _weight_norm_interface _thnn_fused_lstm_cell _thnn_fused_gru_cell _assert_async
_local_scalar_dense equal is_nonzero _prelu_kernel isin softmax log_softmax
_masked_softmax _fused_dropout rrelu_with_noise complex polar aminmax cummax cummin logcumsumexp nansum
nanmedian kthvalue mode renorm embedding_renorm multinomial exponential geometric cauchy log_normal normal
poisson uniform logspace range hann_window hamming_window blackman_window bartlett_window kaiser_window
tril_indices triu_indices diag_embed block_diag put index_reduce _unsafe_index _unsafe_index_put
slice_scatter select_scatter diagonal_scatter as_strided_scatter _stack _chunk_cat unique_consecutive
unique_dim unique_dim_consecutive nonzero_static max_unpool2d max_unpool3d fractional_max_pool3d
adaptive_avg_pool3d _upsample_nearest_exact3d _pack_padded_sequence is_same_size dequantize
_linalg_check_errors
"""
WITHOUT = frozenset(_WITHOUT.split())


@dataclass(frozen=True)
class Product:
    """Multiply–adds and their sum written out: `32·(3·3·64)·64·(28·28)`."""

    macs: int
    text: str


def product_of(operation: Operation) -> Product | None:
    """The operation's multiply–adds by its formula, or None where it has none or none is known."""
    formula = FORMULAS.get(operation.name) or FORMULAS.get(operation.base)
    return formula(operation) if formula else None


def torch_macs(operation: Operation) -> int | None:
    """The same by torch's own formula (those of FlopCounterMode, halved), or None where torch has none that works."""
    torch = load_torch()
    from torch.utils.flop_counter import flop_registry

    formula = flop_registry.get(operation.overload.overloadpacket)
    if formula is None:
        return None
    args, kwargs, out = _as_meta(torch, (operation.args, operation.kwargs, operation.out))
    try:
        return int(formula(*args, **kwargs, out_val=out)) // 2
    except Exception:  # it is held against ours, which stands without it
        return None


def is_without(operation: Operation) -> bool:
    """Whether the operation is known to have no dot products: elementwise, a view, or of the list above."""
    if operation.name in WITHOUT or operation.base in WITHOUT:
        return True
    return operation.overload.namespace == "aten" and (operation.is_view or operation.is_elementwise)


def times(*factors: int) -> str:
    """`32·3·3`; ones in front, such as a batch of one, go without saying."""
    kept = [factor for factor in factors if factor != 1]
    return "·".join(map(str, kept)) or "1"


def _convolution(operation: Operation) -> Product:
    x, weight, *_ = operation.args
    is_transposed = operation.args[6]
    batch, positions = x.shape[0], (x.shape if is_transposed else operation.outputs[0].shape)[2:]
    first, second, *kernel = weight.shape  # (O, C/g, …), and (C, O/g, …) when transposed
    macs = batch * prod(kernel) * first * second * prod(positions)
    text = f"({'·'.join(map(str, (*kernel, second)))})·{first}·({'·'.join(map(str, positions))})"
    return Product(macs, _batched(batch, text))


def _matrix(operation: Operation) -> Product:
    a, b = operation.args[-2:]
    (rows, inner), columns = a.shape, b.shape[1]
    text = f"{inner}·{columns}" if rows == 1 else f"{rows}·({inner}·{columns})"
    return Product(rows * inner * columns, text)


def _batched_matrix(operation: Operation) -> Product:
    a, b = operation.args[-2:]
    batch, rows, inner = a.shape
    return Product(batch * rows * inner * b.shape[2], _batched(batch, f"({rows}·{inner}·{b.shape[2]})"))


def _attention(operation: Operation) -> Product:
    """softmax(q kᵀ) v: T·S·E for the scores, T·S·V for the sum, for each head of each sequence."""
    q, k, v = operation.args[:3]
    batch, heads, queries, width = q.shape
    keys, out = k.shape[2], v.shape[3]
    text = f"({queries}·{keys}·{width} + {queries}·{keys}·{out})"
    return Product(batch * heads * queries * keys * (width + out), f"{times(batch, heads)}·{text}")


def _batched(batch: int, text: str) -> str:
    return text if batch == 1 else f"{batch}·{text}"


def _grouped(operation: Operation) -> Product | None:
    """The rows of one matrix dealt out to several others: each row meets one of them."""
    a, b = operation.args[:2]
    if len(a.shape) != 2 or len(b.shape) != 3:
        return None
    (rows, inner), columns = a.shape, b.shape[2]
    return Product(rows * inner * columns, f"{rows}·({inner}·{columns})")


def _outer(operation: Operation) -> Product:
    a, b = operation.args[-2:]
    return Product(a.elements * b.elements, f"{a.elements}·{b.elements}")


def _vectors(operation: Operation) -> Product:
    size = operation.args[0].elements
    return Product(size, str(size))


def _matrix_vector(operation: Operation) -> Product:
    matrix, _ = operation.args[-2:]
    return Product(matrix.elements, times(*matrix.shape))


FORMULAS: dict[str, Callable[[Operation], Product | None]] = {
    "convolution": _convolution,
    "_convolution": _convolution,
    "mm": _matrix,
    "addmm": _matrix,
    "bmm": _batched_matrix,
    "baddbmm": _batched_matrix,
    "addbmm": _batched_matrix,
    "addr": _outer,
    "_grouped_mm": _grouped,
    "mv": _matrix_vector,
    "addmv": _matrix_vector,
    "dot": _vectors,
    "vdot": _vectors,
    "_scaled_dot_product_flash_attention": _attention,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_efficient_attention": _attention,
    "_scaled_dot_product_cudnn_attention": _attention,
}


def _as_meta(torch: Any, tree: Any) -> Any:
    """Values as meta tensors, for torch's formulas, which ask tensors for their shapes."""
    from underhood.instruments.record import Value

    return torch.utils._pytree.tree_map_only(
        Value, lambda value: torch.empty(value.shape, dtype=value.dtype, device="meta"), tree
    )
