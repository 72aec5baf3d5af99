"""Answers that several workers share out: each one's images, told one after the other in this process."""

from types import SimpleNamespace

import pytest
import torch

from underhood.training.parallel import process_group


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 10])
def test_every_image_is_answered_once_and_in_order(n, size):
    """Pieces are of one length; those beyond the last image are filled up with the first."""
    each = -(-n // size)
    x = torch.arange(2.0 * n).reshape(n, 2)
    wanted = [[i if i < n else 0 for i in range(rank * each, (rank + 1) * each)] for rank in range(size)]
    for rank in range(size):
        asked = []

        def gather(pieces, own):
            assert len(pieces) == size
            for piece, rows in zip(pieces, wanted, strict=True):
                piece.copy_(x[rows] * 10)

        def answer(images, asked=asked):
            asked.append(images.tolist())
            return images * 10

        worker = object.__new__(process_group._Workers)
        worker.rank, worker.size = rank, size
        worker.distributed = SimpleNamespace(all_gather=gather, DistError=RuntimeError)
        found = worker.whole(answer, x)
        assert asked == [x[wanted[rank]].tolist()]
        assert torch.equal(found, x * 10)
