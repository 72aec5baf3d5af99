"""BatchNorm over the batch of all workers, so that cutting a batch into pieces changes nothing but rounding.

    nᵣ, μᵣ, Mᵣ = Σ (x − μᵣ)²        of worker r's piece, channel by channel
    N = Σ nᵣ     μ = Σ nᵣ μᵣ / N     σ² = (Σ Mᵣ + Σ nᵣ (μᵣ − μ)²) / N
    x̂ = (x − μ)/√(σ² + ε)           y = γ x̂ + β
    ∂E/∂x = γ/√(σ² + ε) · (g − (1/N) Σ g − x̂ · (1/N) Σ g x̂)        g = ∂E/∂y, sums over all workers

Deviations are taken from each piece's own mean and then joined: sums of squares would lose half of the digits. A
piece may be empty. Statistics that are kept, and γ and β's gradients, are as in torch.nn.BatchNorm; the latter are
this worker's part, which DDP adds up as it does all gradients.

torch.nn.SyncBatchNorm does this on GPUs and refuses tensors of the processor.

Source: Chan, Golub & LeVeque 1983 (joining variances); Ioffe & Szegedy 2015.
"""

from typing import Any

import torch
from torch import distributed
from torch.nn.modules.batchnorm import _BatchNorm


class _Normalise(torch.autograd.Function):
    """x: (B, C, …) → y and the batch's statistics (N, μ, σ²)."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, gamma: torch.Tensor | None, beta: torch.Tensor | None, eps: float
    ) -> tuple[torch.Tensor, ...]:
        over = [0, *range(2, x.ndim)]
        channels = x.shape[1]
        count = x.numel() // channels
        own = x.new_zeros(2 * channels + 1)
        if count:
            variance, mean = torch.var_mean(x, over, correction=0)
            own = torch.cat([mean, variance * count, mean.new_tensor([count])])
        pieces = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
        distributed.all_gather(pieces, own)
        joined = torch.stack(pieces)
        means, squares, counts = joined[:, :channels], joined[:, channels:-1], joined[:, -1:]
        n = counts.sum()
        mean = (counts * means).sum(0) / n
        variance = (squares + counts * (means - mean) ** 2).sum(0) / n
        scale = (variance + eps).rsqrt()
        normal = (x - _across(mean, x)) * _across(scale, x)
        ctx.save_for_backward(normal, gamma, scale, n)
        y = normal if gamma is None else normal * _across(gamma, x)
        if beta is not None:
            y = y + _across(beta, x)
        ctx.mark_non_differentiable(n, mean, variance)
        return y.clone() if y is normal else y, n, mean, variance

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor, *_: Any) -> tuple[torch.Tensor | None, ...]:
        normal, gamma, scale, n = ctx.saved_tensors
        over = [0, *range(2, g.ndim)]
        own = torch.stack([g.sum(over), (g * normal).sum(over)])
        sums = own.clone()
        distributed.all_reduce(sums)
        mean_g, mean_gx = sums / n
        factor = scale if gamma is None else scale * gamma
        dx = _across(factor, g) * (g - _across(mean_g, g) - normal * _across(mean_gx, g))
        return dx, own[1] if ctx.needs_input_grad[1] else None, own[0] if ctx.needs_input_grad[2] else None, None


def _across(values: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """(C,) shaped to go along x's channels."""
    return values.view(1, -1, *[1] * (x.ndim - 2))


class BatchNorm(_BatchNorm):
    """torch.nn.BatchNorm1d, 2d or 3d with a batch of all workers; alike in evaluation mode."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 (torch's name)
        if not self.training:
            return super().forward(input)
        wide = input.float() if input.dtype == torch.bfloat16 else input  # statistics need more than 8 digits
        y, n, mean, variance = _Normalise.apply(wide, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        if int(n) == 1:
            raise ValueError("Expected more than 1 value per channel when training, got 1 on all workers together")
        if self.track_running_stats:
            self._keep(n, mean, variance)
        return y.to(input.dtype)

    @torch.no_grad()
    def _keep(self, n: torch.Tensor, mean: torch.Tensor, variance: torch.Tensor) -> None:
        assert self.num_batches_tracked is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        self.num_batches_tracked.add_(1)
        momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
        self.running_var.lerp_((variance * n / (n - 1)).to(self.running_var.dtype), momentum)

    def _check_input_dim(self, input: torch.Tensor) -> None:  # noqa: A002
        if input.ndim < 2:
            raise ValueError(f"expected at least 2 dimensions, got {input.ndim}")


def synchronised(net: Any, device: torch.device) -> Any:
    """The network with each of its BatchNorms taken over all workers: the same parameters and state_dict."""
    if device.type != "cpu":
        return torch.nn.SyncBatchNorm.convert_sync_batchnorm(net)  # type: ignore[no-untyped-call]
    if isinstance(net, _BatchNorm):
        return _replaced(net)
    for name, child in net.named_children():
        setattr(net, name, synchronised(child, device))
    return net


def _replaced(old: _BatchNorm) -> BatchNorm:
    new = BatchNorm(old.num_features, old.eps, old.momentum, old.affine, old.track_running_stats)
    new._parameters, new._buffers, new.training = old._parameters, old._buffers, old.training
    return new
