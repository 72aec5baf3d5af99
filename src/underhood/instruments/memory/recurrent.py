"""torch.lstm as a CPU runs it in float32: one fused kernel of oneDNN a layer and direction, with a workspace.

On meta an LSTM is the products and gates of every step, all of them saved; oneDNN saves what it needs in one piece,
and takes more of it while it computes the gradients. With T steps, N sequences, H units, I inputs, and r(n) a row of n
numbers as it pads them, four bytes each,

    forward to backward    T·N·(r(4H) + H)                                gates and cells
    within backward        T·N·(3·r(max(I, H)) + r(4H) + H) + 36 MB       states, their gradients, buffers of products

Only the pages that are written count: torch's tensor is larger. Found by measuring single layers of T from 100 to
1000, I and H from 64 to 256; beside these, outputs and gradients are as everywhere.
"""

from typing import Any

from underhood.instruments.pytorch import load_torch

LINE = 16  # elements in a line of the cache
BUFFERS = 36_000_000  # bytes, whatever the size of the layer


def kept_bytes(steps: int, batch: int, units: int) -> int:
    """What lies in memory from forward to backward of one layer and direction."""
    return 4 * steps * batch * (_row(4 * units) + units)


def backward_bytes(steps: int, batch: int, inputs: int, units: int) -> int:
    """What backward takes beside that."""
    return 4 * steps * batch * (3 * _row(max(inputs, units)) + _row(4 * units) + units) + BUFFERS


def _row(elements: int) -> int:
    """Whole lines, and one more where rows would all fall upon the same lines of the cache."""
    padded = -(-elements // LINE) * LINE
    return padded + LINE if padded % 256 == 0 else padded


def fused_lstms() -> Any:
    """Within, torch.lstm on meta takes what a CPU's takes, where a CPU would use the fused kernel."""
    torch = load_torch()
    base: Any = torch.overrides.TorchFunctionMode
    layer = _layer(torch)

    class Fused(base):  # type: ignore[misc]
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if getattr(func, "__name__", "") == "lstm" and not kwargs and _is_fused(torch, args):
                return _lstm(torch, layer, *args)
            return func(*args, **(kwargs or {}))

    return Fused()


def _is_fused(torch: Any, args: tuple[Any, ...]) -> bool:
    """A batch that is not packed, in float32, without projections."""
    if len(args) != 9 or not torch.is_tensor(args[0]) or torch.is_tensor(args[1]):
        return False
    x, (h, c), weights, biased, *_ = args
    per_layer = 4 if biased else 2
    return bool(
        x.device.type == "meta"
        and x.dtype == torch.float32
        and x.dim() == 3
        and h.shape == c.shape
        and len(weights) % per_layer == 0
        and torch.backends.mkldnn.is_available()
    )


def _lstm(
    torch: Any,
    layer: Any,
    x: Any,
    states: Any,
    weights: Any,
    biased: bool,
    layers: int,
    dropout: float,
    training: bool,
    two_ways: bool,
    batch_first: bool,
) -> Any:
    """torch.lstm's own order: layer by layer, both directions side by side, dropout between."""
    x = x.transpose(0, 1) if batch_first else x
    directions, per_layer = 2 if two_ways else 1, 4 if biased else 2
    last_h, last_c = [], []
    for i in range(layers):
        outputs = []
        for d in range(directions):
            k = i * directions + d
            h, c = (state[k] for state in states)
            out, h, c = layer(x, h, c, *weights[k * per_layer : (k + 1) * per_layer])
            outputs.append(out)
            last_h.append(h)
            last_c.append(c)
        x = torch.cat(outputs, -1) if two_ways else outputs[0]
        if dropout and training and i < layers - 1:
            x = torch.nn.functional.dropout(x, dropout)
    x = x.transpose(0, 1) if batch_first else x
    return x, torch.stack(last_h), torch.stack(last_c)


def _layer(torch: Any) -> Any:
    base: Any = torch.autograd.Function

    class FusedLayer(base):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, x: Any, h: Any, c: Any, *weights: Any) -> Any:
            (steps, batch, _), units = x.shape, h.shape[-1]
            out, after_h, after_c = x.new_empty(steps, batch, units), torch.empty_like(h), torch.empty_like(c)
            kept = torch.empty(kept_bytes(steps, batch, units), dtype=torch.uint8, device=x.device)
            ctx.save_for_backward(x, h, c, *weights, out, after_h, after_c, kept)
            return out, after_h, after_c

        @staticmethod
        def backward(ctx: Any, *_: Any) -> Any:
            *given, _out, _h, _c, _kept = ctx.saved_tensors
            (steps, batch, inputs), units = given[0].shape, given[1].shape[-1]
            size = backward_bytes(steps, batch, inputs, units)
            _within = torch.empty(size, dtype=torch.uint8, device=given[0].device)
            return tuple(
                torch.empty_like(x) if wanted else None for x, wanted in zip(given, ctx.needs_input_grad, strict=True)
            )

    return FusedLayer.apply
