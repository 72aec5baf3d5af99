"""How one number is made, for every operation of the registry: the parts add up, and so do the slopes."""

import numpy as np
import pytest

from underhood.engine.forms import OPERATIONS
from underhood.instruments.trace.parts import Called, column, partner_of, sums
from underhood.instruments.trace.tree import how


def called(operation):
    for sample in operation.samples(np.random.default_rng(0)):
        inputs = [np.ascontiguousarray(x) if isinstance(x, np.ndarray) and x.ndim else x for x in sample.inputs]
        if all(np.isfinite(x).all() for x in inputs if isinstance(x, np.ndarray) and x.dtype.kind == "f"):
            with np.errstate(all="ignore"):
                made = Called(operation, tuple(inputs), dict(sample.settings))
            if made.z.size and made.z.dtype.kind == "f" and np.isfinite(made.z).all():
                yield made


def some_places(shape, rng, count=3):
    return {tuple(int(rng.integers(n)) for n in shape) for _ in range(count)}


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_the_parts_of_an_output_add_up(name):
    rng = np.random.default_rng(1)
    for one in called(OPERATIONS[name]):
        for k in some_places(one.z.shape, rng):
            made = how(one, k)
            assert made.total == pytest.approx(float(one.z[k]), rel=1e-9, abs=1e-12)
            assert made.parts or made.filled


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_the_slopes_of_an_input_add_up_to_its_gradient(name):
    rng = np.random.default_rng(1)
    for one in called(OPERATIONS[name]):
        delta = rng.normal(size=one.z.shape)
        gradients = one.backward(delta)
        for i in one.real():
            gradient = gradients[i]
            if gradient is None or not gradient.size or not np.isfinite(gradient).all():
                continue
            for place in some_places(gradient.shape, rng, 2):
                with np.errstate(all="ignore"):
                    slopes = column(one, i, place)
                total = sum(delta[k] * slope for k, slope in slopes.items())
                assert total == pytest.approx(float(gradient[place]), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", ["linear", "conv2d", "conv1d", "conv_transpose2d", "matmul", "mul"])
def test_products_are_paired_with_their_partners(name):
    """Every summand is the product of the two numbers that it names."""
    paired = 0
    for one in called(OPERATIONS[name]):
        made = sums(one, tuple(n // 2 for n in one.z.shape))
        assert made is not None
        for part in made.parts:
            numbers = [float(one.inputs[i][position]) for i, position in part.positions]
            assert part.value == pytest.approx(part.weight * np.prod(numbers))
            paired += len(numbers) == 2
    assert paired


def test_a_convolution_says_which_weight_meets_which_pixel():
    a, w = np.arange(1.0, 17).reshape(1, 1, 4, 4), np.array([[[[1.0, 2], [3, 4]]]])
    settings = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
    one = Called(OPERATIONS["conv2d"], (a, w, np.array([0.5])), settings)
    made = sums(one, (0, 0, 0, 1))
    assert {part.positions for part in made.parts} == {
        ((0, (0, 0, 0, 0)), (1, (0, 0, 1, 0))),
        ((0, (0, 0, 0, 1)), (1, (0, 0, 1, 1))),
        ((2, (0,)),),
    }
    assert made.total == 1 * 3 + 2 * 4 + 0.5


def test_the_slope_of_a_product_is_the_other_number():
    x, w = np.array([[2.0, 3, 5]]), np.array([[7.0, 11], [13, 17], [19, 23]])
    product = Called(OPERATIONS["matmul"], (x, w), {})
    assert partner_of(product, (0, 1), 0, (0, 2)) == (1, (2, 1))
    assert partner_of(product, (0, 1), 1, (2, 1)) == (0, (0, 2))
    bilinear = Called(OPERATIONS["mul"], (x, np.array([[7.0], [11]])), {})
    assert partner_of(bilinear, (1, 2), 0, (0, 2)) == (1, (1, 0))


@pytest.mark.parametrize("name", [name for name, each in OPERATIONS.items() if each.vector.backward])
def test_a_number_that_is_named_for_a_slope_is_the_slope(name):
    """Of a quotient, a loss, a normalisation there is no such number, and that is an answer."""
    rng = np.random.default_rng(2)
    for one in called(OPERATIONS[name]):
        k = some_places(one.z.shape, rng, 1).pop()
        for i in one.real() if len(one.real()) > 1 else []:
            if (gradient := one.counts(k)[i]) is not None and gradient.any():
                position = tuple(int(p) for p in rng.choice(np.argwhere(gradient)))
                if partner := partner_of(one, k, i, position):
                    assert one.inputs[partner[0]][partner[1]] == gradient[position]
