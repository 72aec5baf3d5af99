"""Every rule of the receptive fields against the gradient of every element of an operation's output.

Before it stands a convolution, 3 rows and 2 columns large, in steps of 2 rows, with positive weights: so an element
sees a pixel exactly where its gradient is not zero. `KNOWN` are the operations behind which the field is known, `LOST`
those behind which it is not; nothing that is said may be false in either.
"""

import pytest
import torch
from torch import nn
from torch.autograd.functional import jacobian
from torch.nn import functional as F

from underhood.instruments.cost import cost

SHAPE = (1, 2, 13, 9)  # behind the convolution (1, 4, 6, 8)


class Do(nn.Module):
    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, x):
        return self.f(x)


def network(f):
    stem = nn.Conv2d(2, 4, (3, 2), stride=(2, 1))
    nn.init.uniform_(stem.weight, 0.1, 0.2)
    nn.init.zeros_(stem.bias)
    return nn.Sequential(stem, Do(f)).double()


def weight(*shape):
    return torch.full(shape, 0.1, dtype=torch.float64)


def tracked(shape, x):
    """Room for a copy of x."""
    return torch.empty(shape, dtype=x.dtype, device=x.device)


def on(x, *shape):
    return weight(*shape).to(x.device).to(x.dtype)


def written_into(x):
    z = torch.zeros_like(x)
    z[:, :, 1:3] = x[:, :, 0:2]
    return z


def added_a_row_on(x):
    z = x.clone()
    z[:, :, 1:] += x[:, :, :-1]
    return z


def parts_of_room(x):
    z = torch.zeros(x.shape, dtype=x.dtype, device=x.device)
    z[:, :, :3] = x[:, :, :3]
    z[:, :, 3:] = x[:, :, :3]
    return x + z


def tokens(x):
    return x.flatten(2).transpose(1, 2)


KNOWN = {
    # elementwise, and shapes that are broadcast
    "relu": torch.relu,
    "plus itself": lambda x: x + x * x,
    "times a mean": lambda x: x * x.mean((2, 3), keepdim=True),
    "expanded": lambda x: x.mean(2, keepdim=True).expand(1, 4, 5, 8),
    "glu over channels": lambda x: F.glu(x, 1),
    "one of two": lambda x: torch.where(x > 0, x, -x),
    "squeeze and excite": lambda x: x * torch.sigmoid(F.adaptive_avg_pool2d(x, 1)),
    "means of rows and of columns": lambda x: x * x.mean(2, keepdim=True) * x.mean(3, keepdim=True),
    "a smaller field and a larger": lambda x: torch.cat([x, F.avg_pool2d(x, 3, 1, 1)], 1),
    "there and back": lambda x: x + F.interpolate(F.avg_pool2d(x, 2), scale_factor=2),
    # cut and joined
    "cat channels": lambda x: torch.cat([x, x * 2], 1),
    "cat channels from the end": lambda x: torch.cat([x, x * 2], -3),
    "stacked in front": lambda x: torch.stack([x, x]),
    "stacked behind": lambda x: torch.stack([x, x], -1),
    "stacked between": lambda x: torch.stack([x, x], 3),
    "one row": lambda x: x[:, :, 2],
    "one row of the list": lambda x: x.unbind(2)[1],
    "one position": lambda x: x[:, :, 2, 3],
    "one row, expanded": lambda x: x[:, :, :1].expand(-1, -1, 4, -1),
    "differences": lambda x: x[:, :, 1:] - x[:, :, :-1],
    "cropped": lambda x: x[:, :, 1:-2, 3:],
    "cropped from the end": lambda x: x[:, :, -3:, -4:-1],
    "every other": lambda x: x[:, :, ::2, 1::3],
    "some channels": lambda x: x[:, 1:3],
    "one channel": lambda x: x[:, 2],
    "one picture": lambda x: x[0],
    "of channels, the first": lambda x: x.unbind(1)[0],
    "chunks of channels": lambda x: x.chunk(2, 1)[1],
    "padded": lambda x: F.pad(x, (1, 2, 0, 3)),
    "cut by padding": lambda x: F.pad(x, (-1, 0, -2, 1)),
    "mirrored at the border": lambda x: F.pad(x, (0, 0, 0, 0), mode="constant"),
    "copied": lambda x: tracked(x.shape, x).copy_(x),
    "copied to all pictures": lambda x: tracked((3, 1, *x.shape[1:]), x).copy_(x),
    # turned
    "channels last": lambda x: x.permute(0, 2, 3, 1),
    "transposed": lambda x: x.transpose(2, -1),
    "rows first": lambda x: x.movedim(2, 0),
    "one more axis": lambda x: x.unsqueeze(2),
    "one axis less": lambda x: x.unsqueeze(0).squeeze(1),
    "pictures joined with channels": lambda x: x.flatten(0, 1),
    "channels in two": lambda x: x.unflatten(1, (2, 2)),
    "flattened": lambda x: x.flatten(2),
    "flattened and unfolded": lambda x: x.flatten(1).view(1, 4, 6, 8),
    "rows as a batch": lambda x: x.permute(2, 0, 1, 3).flatten(0, 1),
    "repeated channels": lambda x: x.repeat(1, 3, 1, 1),
    "repeated pictures": lambda x: x.repeat(2, 1, 1, 1, 1),
    "channels turned": lambda x: x.flip(1),
    "channels moved on": lambda x: x.roll(1, 1),
    # windows
    "convolution": lambda x: F.conv2d(x, on(x, 3, 4, 2, 3), None, (1, 2), 0, (2, 1)),
    "convolution in groups": lambda x: F.conv2d(x, on(x, 2, 2, 3, 3), groups=2),
    "transposed convolution": lambda x: F.conv_transpose2d(x, on(x, 4, 2, 2, 3), None, (2, 1), (0, 1)),
    "average pool": lambda x: F.avg_pool2d(x, (2, 3), (2, 1)),
    "pooled to a half": lambda x: F.adaptive_avg_pool2d(x, (3, 4)),
    "pooled to one": lambda x: F.adaptive_avg_pool2d(x, 1),
    "pooled along columns": lambda x: F.adaptive_avg_pool2d(x, (6, 1)),
    "twice the size": lambda x: F.interpolate(x, scale_factor=2),
    "three times as wide": lambda x: F.interpolate(x, size=(6, 24)),
    "twice the size, linear": lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
    "shuffled pixels": lambda x: F.pixel_shuffle(x, 2),
    "pool, padded": lambda x: F.avg_pool2d(x, 3, 2, 1),
    "pool, beyond the end": lambda x: F.avg_pool2d(x, 3, 2, 0, True),
    "pool over channels": lambda x: F.avg_pool3d(x, (2, 2, 2)),
    "convolution over channels": lambda x: F.conv3d(x.unsqueeze(0), on(x, 2, 1, 3, 3, 2)),
    "convolution, padded": lambda x: F.conv2d(x, on(x, 2, 4, 5, 5), None, (3, 2), (2, 1)),
    "convolution, rows as channels": lambda x: F.conv2d(x.transpose(1, 2), on(x, 3, 6, 3, 3)),
    "transposed convolution, overlapping": lambda x: F.conv_transpose2d(x, on(x, 4, 2, 4, 4), None, 2, 1),
    "transposed convolution, dilated": lambda x: F.conv_transpose2d(x, on(x, 4, 2, 3, 3), None, 1, 0, 0, 1, 2),
    "twice the size, cubic": lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"),
    "channels shuffled": lambda x: F.channel_shuffle(x, 2),
    # mixed
    "attention": lambda x: F.scaled_dot_product_attention(tokens(x), tokens(x), tokens(x)),
    "outer product": lambda x: x.mean(3, keepdim=True) @ x.mean(2, keepdim=True),
    "rows by weights": lambda x: on(x, 1, 4, 5, 6) @ x,
    "logarithm of a sum": lambda x: x.logsumexp(3),
    "running logarithm of a sum": lambda x: x.logcumsumexp(2),
    "variance": lambda x: x.var((2, 3)),
    "batch norm of a batch": lambda x: F.batch_norm(x * x, None, None, training=True),
    "plus a product": lambda x: torch.addmm(on(x, 6, 3), x[0, 0], on(x, 8, 3)),
    "mean over all": lambda x: x.mean(),
    "mean over a row": lambda x: x.mean(3),
    "mean over a row, kept": lambda x: x.mean(3, keepdim=True),
    "sum over channels": lambda x: x.sum(1),
    "sum over the picture": lambda x: x.sum((-1, -2)),
    "norm over columns": lambda x: torch.linalg.vector_norm(x, dim=2),
    "softmax over channels": lambda x: x.softmax(1),
    "softmax over columns": lambda x: x.square().softmax(2),
    "layer norm over a row": lambda x: F.layer_norm(x * x, (8,)),
    "group norm": lambda x: F.group_norm(x * x, 2),
    "batch norm": lambda x: F.batch_norm(x, on(x, 4), on(x, 4) + 1),
    "linear over columns": lambda x: F.linear(x, on(x, 5, 8)),
    "linear over all": lambda x: F.linear(x.flatten(1), on(x, 3, 192)),
    "linear over channels": lambda x: F.linear(x.permute(0, 2, 3, 1), on(x, 5, 4)).permute(0, 3, 1, 2),
}
LOST = {
    "plus a row": lambda x: x + x[:, :, :1, :],
    "columns by columns": lambda x: x.transpose(2, 3) @ x,
    "two halves added": lambda x: x.chunk(2, 2)[0] + x.chunk(2, 2)[1],
    "turned and moved on, added": lambda x: x.flip(2) + x.roll(1, 2),
    "turned and added": lambda x: x + x.flip(3),
    "written into a part": written_into,
    "a row on, added in place": added_a_row_on,
    "parts of new room": parts_of_room,
    "round the border": lambda x: F.pad(x, (1, 1, 2, 2), mode="circular"),
    "scores": lambda x: tokens(x) @ x.flatten(2),
    "in another shape": lambda x: x.reshape(1, 4, 8, 6),
    "convolved in another shape": lambda x: F.conv2d(x.reshape(1, 4, 8, 6), on(x, 2, 4, 3, 3)),
    "patches": lambda x: F.unfold(x, 2),
    "windows": lambda x: x.unfold(2, 3, 1),
    "blocks of pixels": lambda x: F.pixel_unshuffle(x, 2),
    "running sum": lambda x: x.cumsum(2),
    "half the size": lambda x: F.interpolate(x, scale_factor=0.5),
    "turned by a quarter": lambda x: x.rot90(1, (2, 3)),
    "rows by number": lambda x: x[:, :, [4, 0]],
    "plus what is seen": lambda x: torch.addmm(x[0, 0], on(x, 6, 3), on(x, 3, 8)),
    "repeated along rows": lambda x: x.repeat(1, 1, 2, 1),
    "turned upside down": lambda x: x.flip(2),
    "moved on along a row": lambda x: x.roll(2, 3),
    "moved on altogether": lambda x: x.roll(2),
    "cat along rows": lambda x: torch.cat([x, x], 2),
    "glu over rows": lambda x: F.glu(x, 3),
    "chunks of rows": lambda x: x.chunk(2, 2)[1],
    "two thirds of the size": lambda x: F.interpolate(x, size=(4, 6)),
    "linear, corners on corners": lambda x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True),
    "pooled to a third and a bit": lambda x: F.adaptive_avg_pool2d(x, (5, 8)),
    "sorted": lambda x: x.sort(2).values,
}


def pixels_seen(net):
    """For each axis the first pixel that every element sees, and the last, -1 for none; shaped as the output is."""
    x = torch.rand(SHAPE, dtype=torch.float64) + 0.5
    with torch.no_grad():
        shape = net(x).shape
    touched = jacobian(net, x, vectorize=True).reshape(*shape, *SHAPE) != 0
    found = []
    for other in (-1, -2):
        any_ = touched.any(other).flatten(len(shape), -2).any(-2)
        n = any_.shape[-1]
        first = torch.where(any_, torch.arange(n), n).amin(-1)
        last = torch.where(any_, torch.arange(n), -1).amax(-1)
        found.append((first, last))
    return found


def truth_of(seen, first, last, end):
    """What is wrong with what is said of an axis, None if nothing is."""
    none = last < 0
    assert not none.all()
    if seen.size is not None:
        sizes = torch.where(none, 0, last - first + 1)
        if int(sizes.max()) != seen.size:
            return f"{seen.size} pixels, really {int(sizes.max())}"
    if (low := int(first.min())) < seen.low or (high := int(last.max())) > seen.high:
        return f"pixels {seen.low} to {seen.high}, really {low} to {high}"
    if seen.along is None:
        return None
    (dim,) = seen.dims
    for i in range(first.shape[dim]):
        a, b = first.select(dim, i), last.select(dim, i)
        there = b >= 0
        if not there.any():
            continue
        found, said = (int(a[there].min()), int(b[there].max())), seen.along.at(i)
        if not (_is(found[0], said[0], said[0] < 0) and _is(-found[1], -said[1], said[1] > end)):
            return f"at {i}: {said}, really {found}"
    return None


def _is(found, said, beyond):
    """Beyond the border there are no pixels, and padding on the way hides the outermost."""
    return found == said or (beyond and found > said)


def fields(f):
    torch.manual_seed(0)
    net = network(f)
    row = cost(net, SHAPE)["1"]
    ends = zip(row.seen, pixels_seen(net), SHAPE[2:], strict=True)
    return row.seen, [truth_of(seen, *found, length - 1) for seen, found, length in ends]


@pytest.mark.parametrize("name", KNOWN)
def test_behind_it_the_field_is_known_and_true(name):
    seen, wrong = fields(KNOWN[name])
    assert wrong == [None, None]
    assert all(axis.size is not None and axis.in_order for axis in seen)


@pytest.mark.parametrize("name", LOST)
def test_behind_it_nothing_false_is_said(name):
    seen, wrong = fields(LOST[name])
    assert wrong == [None, None]
    assert not all(axis.size is not None and axis.in_order for axis in seen)
