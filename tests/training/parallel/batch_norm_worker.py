"""A worker of test_batch_norm.py: BatchNorm of its piece of a batch, held against PyTorch's of the whole one."""

import sys
import warnings

import numpy as np
import torch

from underhood.training.parallel import join, leave
from underhood.training.parallel.batch_norm import synchronised


def main() -> None:
    warnings.simplefilter("error")
    group = join("cpu")
    rng = np.random.default_rng(0)
    for images, momentum, affine, shape in (
        (7, 0.1, True, (5, 4)),
        (2, None, True, (6, 6)),
        (1, 0.3, False, (3, 5)),  # nothing is left for the second worker
        (9, 0.1, True, ()),
    ):
        kind = torch.nn.BatchNorm2d if shape else torch.nn.BatchNorm1d
        whole = torch.nn.Sequential(kind(3, momentum=momentum, affine=affine)).double()
        ours = torch.nn.Sequential(kind(3, momentum=momentum, affine=affine)).double()
        ours.load_state_dict(whole.state_dict())
        ours = synchronised(ours, torch.device("cpu"))
        assert type(ours[0]).__module__ == "underhood.training.parallel.batch_norm"
        assert list(ours.state_dict()) == list(whole.state_dict())
        for _ in range(2):
            x = torch.from_numpy(rng.normal(3, 2, (images, 3, *shape))).requires_grad_()
            g = torch.from_numpy(rng.normal(size=x.shape))
            rows = torch.from_numpy(group.share(np.arange(images), 1))
            piece = x.detach()[rows].requires_grad_()
            expected, found = whole(x), ours(piece)
            expected.backward(g)
            found.backward(g[rows])
            torch.testing.assert_close(found, expected[rows], rtol=1e-11, atol=1e-11)
            torch.testing.assert_close(piece.grad, x.grad[rows], rtol=1e-11, atol=1e-11)
        for one, other in zip(ours.parameters(), whole.parameters(), strict=True):
            torch.distributed.all_reduce(one.grad)
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-11, atol=1e-11)
        for (name, one), other in zip(ours.named_buffers(), whole.buffers(), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-11, msg=name)
        torch.testing.assert_close(ours.eval()(x), whole.eval()(x), rtol=1e-11, atol=1e-11)
    try:
        synchronised(torch.nn.BatchNorm1d(3), torch.device("cpu"))(torch.ones(1 - group.rank, 3))
        raise AssertionError("one value a channel has no variance")
    except ValueError as error:
        assert "more than 1 value per channel" in str(error)  # noqa: PT017 (no pytest in a worker)
    leave()
    sys.stdout.write(f"worker {group.rank} agrees\n")  # at once: print writes the end of the line by itself


if __name__ == "__main__":
    main()
    sys.exit()
