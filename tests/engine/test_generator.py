"""The generator beside torch's: one seed, the same numbers; its state, and the functions that draw from it."""

import copy
import pickle

import numpy as np
import pytest
import torch

import underhood
from underhood.engine.generator import Generator

SEEDS = [0, 1, 42, 2**31 + 5, 123456789012345]


def pair(seed):
    return Generator().manual_seed(seed), torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_whole_and_uniform_numbers_are_torchs_bit_for_bit(seed):
    ours, theirs = pair(seed)
    for n in (0, 1, 2, 17, 1000):
        np.testing.assert_array_equal(ours.permutation(n), torch.randperm(n, generator=theirs))
    for high in (3, 2**27, 2**28 - 5, 2**28, 2**31, 2**40, 2**62):
        np.testing.assert_array_equal(ours.integers(-5, high, 9), torch.randint(-5, high, (9,), generator=theirs))
    for shape in ((), (3,), (4, 5), (100,)):
        np.testing.assert_array_equal(ours.random(shape, np.float32), torch.rand(shape, generator=theirs))
        exact = torch.rand(shape, generator=theirs, dtype=torch.float64)
        np.testing.assert_array_equal(ours.random(shape), exact)
        drawn = torch.empty(shape).uniform_(-0.3, 0.7, generator=theirs)
        np.testing.assert_array_equal(ours.uniform(-0.3, 0.7, shape, np.float32), drawn)
    assert ours.initial_seed() == theirs.initial_seed() == seed


@pytest.mark.parametrize("shape", [(), (1,), (3,), (15,), (16,), (17,), (37,), (20, 25), (1029,)], ids=str)
def test_normal_numbers_are_torchs_to_the_last_places(shape):
    ours, theirs = pair(7)
    for _ in range(2):
        for dtype, tolerance in (("float32", 2e-6), ("float64", 1e-14)):
            expected = torch.randn(shape, generator=theirs, dtype=getattr(torch, dtype)).numpy()
            found = ours.standard_normal(shape, dtype)
            assert found.dtype == expected.dtype
            np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def test_a_seed_gives_torchs_initial_weights():
    layers = [
        lambda nn: nn.Linear(7, 5),
        lambda nn: nn.Conv2d(3, 4, 3),
        lambda nn: nn.Conv1d(2, 6, 5, groups=2),
        lambda nn: nn.ConvTranspose2d(4, 6, 3),
        lambda nn: nn.Embedding(11, 6),
        lambda nn: nn.Bilinear(3, 4, 5),
    ]
    underhood.manual_seed(5)
    torch.manual_seed(5)
    for make in layers:
        ours, theirs = make(underhood.nn).state_dict(), make(torch.nn).state_dict()
        assert list(ours) == list(theirs)
        for key, value in ours.items():
            np.testing.assert_allclose(value.numpy(), theirs[key].numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "draw",
    [
        lambda lib, g: lib.rand(3, 4, generator=g),
        lambda lib, g: lib.randn((5, 5), generator=g),
        lambda lib, g: lib.randint(10, (4, 3), generator=g),
        lambda lib, g: lib.randint(low=2, high=9, size=(6,), generator=g),
        lambda lib, g: lib.randint(-4, 4, (2, 2), generator=g, dtype=lib.int32),
        lambda lib, g: lib.randperm(20, generator=g),
        lambda lib, g: lib.empty(50, dtype=lib.float64).normal_(1.0, 2.0, generator=g),
        lambda lib, g: lib.empty(5).uniform_(-1, 1, generator=g),
        lambda lib, g: lib.empty(5, dtype=lib.int64).random_(generator=g),
        lambda lib, g: lib.empty(5, dtype=lib.int64).random_(7, generator=g),
        lambda lib, g: lib.empty(5).random_(3, 9, generator=g),
        lambda lib, g: lib.normal(0.5, 2.0, (4, 4), generator=g),
    ],
)
def test_every_function_that_draws_takes_one(draw):
    ours, theirs = pair(3)
    found, expected = draw(underhood, ours), draw(torch, theirs)
    assert str(found.dtype) == str(expected.dtype).removeprefix("torch.")
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)


def test_a_state_is_taken_up_again_in_the_middle():
    g = Generator().manual_seed(9)
    g.standard_normal(3)  # an odd number: one waits
    g.random(5)
    state, copies = g.get_state(), [copy.deepcopy(g), pickle.loads(pickle.dumps(g))]
    expected = [g.standard_normal(4), g.integers(0, 100, 3)]
    for again in (*copies, Generator().set_state(state)):
        np.testing.assert_array_equal(again.standard_normal(4), expected[0])
        np.testing.assert_array_equal(again.integers(0, 100, 3), expected[1])
        assert again.initial_seed() == 9
    with pytest.raises(RuntimeError, match="uint8"):
        g.set_state(underhood.zeros(3))


def test_the_streams_state_too():
    underhood.manual_seed(4)
    underhood.rand(3)
    state = underhood.get_rng_state()
    first = underhood.rand(3)
    with underhood.random.fork_rng():
        underhood.rand(10)
    second = underhood.rand(3)
    underhood.set_rng_state(state)
    assert underhood.equal(underhood.rand(3), first)
    assert underhood.equal(underhood.rand(3), second)
    assert underhood.initial_seed() == 4
    assert underhood.seed() == underhood.initial_seed()


def test_draws_that_cannot_be_are_refused():
    for draw, error in [
        (lambda lib: lib.randint(5, 5, (2,)), RuntimeError),
        (lambda lib: lib.rand(2, dtype=lib.int64), NotImplementedError),
        (lambda lib: lib.bernoulli(lib.tensor([1.5])), RuntimeError),
        (lambda lib: lib.normal(0.0, 1.0), TypeError),
    ]:
        for lib in (underhood, torch):
            with pytest.raises(error):
                draw(lib)


def test_bernoulli_has_its_chances():
    g = Generator().manual_seed(0)
    p = underhood.tensor([0.0, 0.25, 1.0]).expand(4000, 3)
    drawn = underhood.bernoulli(p, generator=g)
    assert set(np.unique(drawn.numpy())) <= {0.0, 1.0}
    np.testing.assert_allclose(drawn.mean(0).numpy(), [0, 0.25, 1], atol=0.03)
    assert underhood.empty(2, 3).bernoulli_(1.0).sum().item() == 6
