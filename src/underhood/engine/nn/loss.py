"""Losses as modules. Each keeps the settings of the function of its name and calls it.

`reduction` is "mean", "sum" or "none"; what the losses mean stands on their pages.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from underhood.engine import functional as F
from underhood.engine.losses import check_reduction
from underhood.engine.nn.module import Module
from underhood.engine.tensor import Tensor


class Loss(Module):
    """A loss with its settings: a subclass names the function, and its `__init__` says what it keeps."""

    function: ClassVar[Callable[..., Tensor]]

    def keep(self, **settings: Any) -> None:
        """Settings that are attributes (tensors are buffers), handed to the function at every call."""
        super().__init__()
        if settings["reduction"] != "batchmean":
            check_reduction(settings["reduction"])
        self.settings = tuple(settings)
        for name, value in settings.items():
            if name in ("weight", "pos_weight"):
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def forward(self, *inputs: Tensor) -> Tensor:
        return type(self).function(*inputs, **{name: getattr(self, name) for name in self.settings})


# -- of classes --


class CrossEntropyLoss(Loss):
    """−log softmax(input)[target].   input: (N, C, …) or (C,) logits   target: (N, …) int64, or chances like input"""

    function = F.cross_entropy

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        self.keep(weight=weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing)


class NLLLoss(Loss):
    """−input[target].   input: (N, C, …) or (C,) logarithms of chances   target: (N, …) int64"""

    function = F.nll_loss

    def __init__(self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean") -> None:
        self.keep(weight=weight, ignore_index=ignore_index, reduction=reduction)


class MultiMarginLoss(Loss):
    """Σ_{k≠t} w[t] max(0, margin − x[t] + x[k])ᵖ / C.   input: (N, C) or (C,) scores   target: (N,) or () int64"""

    function = F.multi_margin_loss

    def __init__(
        self, p: int = 1, margin: float = 1.0, weight: Tensor | None = None, *, reduction: str = "mean"
    ) -> None:
        self.keep(p=p, margin=margin, weight=weight, reduction=reduction)


# -- of numbers; input and target have one shape --


class MSELoss(Loss):
    """(x − t)²."""

    function = F.mse_loss

    def __init__(self, *, reduction: str = "mean") -> None:
        self.keep(reduction=reduction)


class L1Loss(Loss):
    """|x − t|."""

    function = F.l1_loss

    def __init__(self, *, reduction: str = "mean") -> None:
        self.keep(reduction=reduction)


class SmoothL1Loss(Loss):
    """(x − t)²/2β within β, |x − t| − β/2 beyond."""

    function = F.smooth_l1_loss

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        self.keep(reduction=reduction, beta=beta)


class HuberLoss(Loss):
    """(x − t)²/2 within δ, δ (|x − t| − δ/2) beyond."""

    function = F.huber_loss

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        self.keep(reduction=reduction, delta=delta)


class PoissonNLLLoss(Loss):
    """−ln P(t) of counts t, for Poisson's rate e^x (or x, unless `log_input`)."""

    function = F.poisson_nll_loss

    def __init__(
        self, log_input: bool = True, full: bool = False, *, eps: float = 1e-8, reduction: str = "mean"
    ) -> None:
        self.keep(log_input=log_input, full=full, eps=eps, reduction=reduction)


# -- of chances; input and target have one shape --


class BCELoss(Loss):
    """−t ln x − (1 − t) ln(1 − x)."""

    function = F.binary_cross_entropy

    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean") -> None:
        self.keep(weight=weight, reduction=reduction)


class BCEWithLogitsLoss(Loss):
    """The binary cross-entropy of σ(x), without overflow."""

    function = F.binary_cross_entropy_with_logits

    def __init__(
        self, weight: Tensor | None = None, *, reduction: str = "mean", pos_weight: Tensor | None = None
    ) -> None:
        self.keep(weight=weight, reduction=reduction, pos_weight=pos_weight)


class KLDivLoss(Loss):
    """t (ln t − x), x the logarithms of chances; `reduction="batchmean"` is the divergence itself."""

    function = F.kl_div

    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        self.keep(reduction=reduction, log_target=log_target)


class SoftMarginLoss(Loss):
    """ln(1 + e^(−t x)), t = ±1."""

    function = F.soft_margin_loss

    def __init__(self, *, reduction: str = "mean") -> None:
        self.keep(reduction=reduction)


# -- of distances --


class HingeEmbeddingLoss(Loss):
    """x where t = 1, max(0, margin − x) where t = −1."""

    function = F.hinge_embedding_loss

    def __init__(self, margin: float = 1.0, *, reduction: str = "mean") -> None:
        self.keep(margin=margin, reduction=reduction)


class MarginRankingLoss(Loss):
    """max(0, −t (x₁ − x₂) + margin), t = ±1."""

    function = F.margin_ranking_loss

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        self.keep(margin=margin, reduction=reduction)


class CosineEmbeddingLoss(Loss):
    """1 − cos(x₁, x₂) where t = 1, max(0, cos − margin) where t = −1.   inputs: (N, D) or (D,)   target: (N,) or ()"""

    function = F.cosine_embedding_loss

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        self.keep(margin=margin, reduction=reduction)


class TripletMarginLoss(Loss):
    """max(0, margin + d(a, p) − d(a, n)), d the p-norm of the difference.   inputs: (N, D) or (D,)"""

    function = F.triplet_margin_loss

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        *,
        reduction: str = "mean",
    ) -> None:
        self.keep(margin=margin, p=p, eps=eps, swap=swap, reduction=reduction)
