"""The rows of each worker: nobody's twice, nobody's left out, and weighed so that the mean is the batch's."""

import numpy as np
import pytest

from underhood.errors import BadInput
from underhood.training.backends.settings import BackendSettings
from underhood.training.parallel.process_group import ProcessGroup, process_group_of, shared
from underhood.training.settings import TrainingSettings


def one_of(rank, size):
    group = ProcessGroup()
    group.rank, group.size = rank, size
    return group


@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize("passes", [1, 2, 4])
@pytest.mark.parametrize("images", [1, 4, 13, 64])
def test_pieces_cover_the_batch_once(size, passes, images):
    which = np.random.default_rng(0).permutation(1000)[:images]
    workers = [one_of(rank, size) for rank in range(size)]
    pieces = [worker.share(which, passes) for worker in workers]
    assert sorted(np.concatenate(pieces)) == sorted(which)
    for worker, piece in zip(workers, pieces, strict=True):
        assert sum(worker.passes) == len(piece)
        assert len(worker.passes) == min(passes, images)  # each takes part in each pass, with nothing if need be
    lengths = [len(piece) for piece in pieces]
    assert max(lengths) - min(lengths) <= min(passes, images)
    total = sum(worker.weight(n) for worker in workers for n in worker.passes) / size
    assert total == pytest.approx(1)


def test_the_mean_over_workers_of_weighted_losses_is_the_batch_mean():
    losses = np.random.default_rng(1).normal(size=11)
    workers = [one_of(rank, 4) for rank in range(4)]
    pieces = [worker.share(np.arange(11), 1) for worker in workers]
    weighted = [worker.weight(len(p)) * losses[p].mean() for worker, p in zip(workers, pieces, strict=True)]
    assert np.mean(weighted) == pytest.approx(losses.mean(), rel=1e-15)


def test_alone_nothing_is_exchanged():
    group = process_group_of(BackendSettings())
    assert (group.rank, group.size) == (0, 1)
    assert group.total(1.5, 2) == (1.5, 2)
    assert group.agree(True)
    whole = np.arange(5)
    assert group.share(whole, 2) is whole
    assert group.whole(lambda x: x + 1, 2) == 3
    box = object()
    assert shared(box) is box


def test_several_devices_need_torch_and_workers():
    with pytest.raises(ValueError, match=r"2 needs backend = torch"):
        BackendSettings(devices=2)
    with pytest.raises(BadInput, match="2 workers are started by `underhood run`"):
        process_group_of(BackendSettings(backend="torch", devices=2))


def test_what_a_batch_and_a_rate_are_on_several_devices():
    given = {"backend": "torch", "devices": 4, "batch_size": 64, "optimizer": {"lr": 0.1}}
    kept = TrainingSettings.model_validate(given)
    assert (kept.step_images, kept.rate) == (64, 0.1)
    grown = TrainingSettings.model_validate({**given, "parallel": {"batch": "each", "rate": "linear"}})
    assert (grown.step_images, grown.rate) == (256, 0.4)
    rooted = TrainingSettings.model_validate({**given, "parallel": {"batch": "each", "rate": "square-root"}})
    assert (rooted.step_images, rooted.rate) == (256, 0.2)
    with pytest.raises(ValueError, match=r'parallel\.batch = "each"'):
        TrainingSettings.model_validate({**given, "parallel": {"rate": "linear"}})
    with pytest.raises(ValueError, match="compile"):
        TrainingSettings.model_validate({**given, "compile": True})
