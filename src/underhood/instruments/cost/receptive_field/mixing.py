"""Operations that mix all positions along some axes: means, products of matrices, softmax, normalisation."""

from underhood.instruments.cost.receptive_field.along import Seen
from underhood.instruments.cost.receptive_field.step import Rule, Step


def mixing(seen: Seen, dims: set[int], keep: bool = True) -> Seen | None:
    """All positions along `dims` are summed; without `keep` those axes go."""
    if {*seen.dims} <= dims and seen.dims:
        return seen.mixed()
    if {*seen.dims} & dims:
        return None
    return seen if keep else seen.moved(tuple(d - sum(g < d for g in dims) for d in seen.dims))


def _reduction(step: Step) -> Seen | None:
    x = step.args[0]
    seen = step.seen(x)
    if seen is None:
        return None
    position = 2 if "norm" in step.operation.name else 1  # after the norm's order
    given = step.args[position] if len(step.args) > position else None
    if given is None or given == []:
        return seen.mixed()
    dims = {d % len(x.shape) for d in (given if isinstance(given, list | tuple) else [given])}
    return mixing(seen, dims, keep=len(step.out.shape) == len(x.shape))


def _along_dim(step: Step) -> Seen | None:
    """softmax and its like: every element of an axis depends on all of it."""
    seen = step.seen(step.args[0])
    return mixing(seen, {step.args[1] % len(step.out.shape)}) if seen else None


def _layer_norm(step: Step) -> Seen | None:
    seen = step.seen(step.args[0])
    rank = len(step.args[0].shape)
    return mixing(seen, {*range(rank - len(step.args[1]), rank)}) if seen else None


def _group_norm(step: Step) -> Seen | None:
    seen = step.seen(step.args[0])
    return mixing(seen, {*range(1, len(step.args[0].shape))}) if seen else None


def _batch_norm(step: Step) -> Seen | None:
    seen = step.seen(step.args[0])
    if seen is None or not step.args[5]:
        return seen
    return seen.mixed()  # in training its mean is one over the whole map


def _matrix(step: Step) -> Seen | None:
    """(…, M, K) · (…, K, N): M and N stay, K is summed over."""
    a, b = step.args[-2:]
    last = len(a.shape) - 1
    views = []
    for value, summed in ((a, last), (b, last - 1)):
        if seen := step.seen(value):
            view = mixing(seen, {summed})
            if view is None:
                return None
            views.append(view)
    if len(step.args) > 2 and step.seen(step.args[0]):
        return None
    return step.joined(views)


_REDUCTIONS = "mean sum amax amin max min prod var std var_mean logsumexp norm linalg_vector_norm"
RULES: dict[str, Rule] = {
    **dict.fromkeys(_REDUCTIONS.split(), _reduction),
    **dict.fromkeys(("_softmax", "_log_softmax", "_safe_softmax", "logcumsumexp"), _along_dim),
    **dict.fromkeys(("native_batch_norm", "_native_batch_norm_legit", "cudnn_batch_norm"), _batch_norm),
    **dict.fromkeys(("mm", "addmm", "bmm", "baddbmm"), _matrix),
    "native_layer_norm": _layer_norm,
    "native_group_norm": _group_norm,
}
