"""Losses as modules. Each calls the function of its name."""

from underhood.engine import functional as F
from underhood.engine.nn.module import Module
from underhood.engine.tensor import Tensor


class CrossEntropyLoss(Module):
    """−log softmax(input)[target], reduced over the batch.   input: (N, C) logits   target: (N,) int64"""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(input, target, reduction=self.reduction)
