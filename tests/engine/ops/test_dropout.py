"""What dropout draws: how often, how large, whole maps, and the same again from the same seed."""

import numpy as np
import pytest

from underhood import engine
from underhood.engine import functional as F
from underhood.engine import nn, random


def ones(*shape):
    return engine.tensor(np.ones(shape, np.float32), requires_grad=True)


@pytest.mark.parametrize("p", [0.2, 0.5, 0.9])
def test_numbers_are_dropped_with_probability_p_and_scaled(p):
    random.manual_seed(0)
    x = ones(200, 500)
    z = F.dropout(x, p)
    values = z.detach().numpy()
    np.testing.assert_allclose(np.unique(values), [0, 1 / (1 - p)], rtol=1e-6)
    sigma = np.sqrt(p * (1 - p) / values.size)
    assert abs((values == 0).mean() - p) < 5 * sigma
    z.backward(engine.tensor(np.full(z.shape, 3.0, np.float32)))
    np.testing.assert_array_equal(x.grad.numpy(), 3 * values)


def test_the_same_seed_draws_the_same_masks():
    random.manual_seed(7)
    first, second = F.dropout(ones(4, 5)).tolist(), F.dropout(ones(4, 5)).tolist()
    assert first != second
    random.manual_seed(7)
    assert F.dropout(ones(4, 5)).tolist() == first
    own = [F.dropout(ones(4, 5), generator=np.random.default_rng(3)).tolist() for _ in range(2)]
    assert own[0] == own[1]
    assert F.dropout(ones(4, 5)).tolist() == second


def test_a_stream_can_be_handed_in():
    random.use(np.random.Generator(np.random.Philox(5)))
    first = F.dropout(ones(4, 5)).tolist()
    random.use(np.random.Generator(np.random.Philox(5)))
    assert F.dropout(ones(4, 5)).tolist() == first


def test_in_place_the_memory_stays():
    random.manual_seed(0)
    x = engine.tensor(np.ones((20, 5), np.float32))
    memory = x.numpy()
    assert nn.Dropout(0.5, inplace=True)(x) is x
    assert x.numpy() is memory
    assert set(memory.ravel().tolist()) == {0, 2}
    leaf = ones(2, 3)
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        F.dropout(leaf, inplace=True)
    z = leaf * 1
    F.dropout(z, inplace=True).backward(engine.tensor(np.ones((2, 3), np.float32)))
    np.testing.assert_array_equal(leaf.grad.numpy(), z.detach().numpy())


@pytest.mark.parametrize(
    ("function", "shape"), [(F.dropout1d, (20, 30, 4)), (F.dropout1d, (30, 4)), (F.dropout2d, (20, 30, 2, 3))]
)
def test_whole_maps_are_dropped(function, shape):
    random.manual_seed(0)
    maps = function(ones(*shape)).detach().numpy().reshape(-1, 4 if len(shape) < 4 else 6)
    assert (maps == maps[:, :1]).all()
    assert 0.2 < (maps[:, 0] == 0).mean() < 0.8


def test_nothing_happens_outside_training_or_at_p_zero():
    x = ones(3, 4)
    assert F.dropout(x, training=False) is x
    assert F.dropout(x, 0.0) is x
    module = nn.Dropout(0.5).eval()
    assert module(x) is x


def test_everything_is_dropped_at_p_one():
    x = ones(3, 4)
    z = F.dropout(x, 1.0)
    z.backward(engine.tensor(np.ones((3, 4), np.float32)))
    assert not z.detach().numpy().any()
    assert not x.grad.numpy().any()


def test_three_axes_are_channels_of_lines_and_a_warning():
    random.manual_seed(0)
    with pytest.warns(UserWarning, match=r"read as \(N, C, L\)"):
        z = F.dropout2d(ones(20, 5, 4)).detach().numpy()
    assert (z == z[..., :1]).all()
    assert 0.2 < (z == 0).mean() < 0.8
