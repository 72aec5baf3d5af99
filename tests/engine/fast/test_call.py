"""Operations as they stand: their fast forms on several threads, and what a call keeps from run to run."""

import copy
import threading

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import underhood
from underhood import optim
from underhood.engine.fast import call, conv2d
from underhood.engine.fast.call import Call
from underhood.engine.fast.kernel import Floats, kernel, mine
from underhood.engine.fast.layouts import pixel_offsets, to_channels_first, to_channels_last
from underhood.engine.forms import OPERATIONS
from underhood.engine.ops.windows import windows
from underhood.nn import functional as F


@pytest.fixture
def two_threads(monkeypatch):
    """Two threads for arrays of any size."""
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("one processor")
    before = numba.get_num_threads()
    numba.set_num_threads(2)
    monkeypatch.setattr(call, "WORTH", -1)
    yield
    numba.set_num_threads(before)


# All but cross-entropy's, which has one thread and keeps another array for backward.
FAST = [name for name, operation in OPERATIONS.items() if operation.fast is not None and name != "cross_entropy"]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", FAST)
def test_two_threads_give_what_arrays_give(name, order, two_threads):
    operation, rng = OPERATIONS[name], np.random.default_rng(0)
    for sample in operation.samples(rng):
        inputs = tuple(np.array(x, order=order) if isinstance(x, np.ndarray) else x for x in sample.inputs)
        found = [form.forward(*inputs, **sample.settings) for form in (operation.vector, operation.fast)]
        z, expected = (each if isinstance(each, tuple) else (each,) for each in reversed(found))
        for x, y in zip(z, expected, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-10, err_msg=sample.note)
        dz = rng.normal(size=np.shape(expected[0]))
        gradients = [
            form.backward(dz, *expected, *inputs, **sample.settings) for form in (operation.vector, operation.fast)
        ]
        for x, y in zip(*(g if isinstance(g, tuple) else (g,) for g in gradients), strict=True):
            assert (x is None) == (y is None)
            if x is not None:
                np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-9, err_msg=sample.note)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 3), channels=st.integers(1, 40), height=st.integers(1, 9), width=st.integers(1, 9),
    border=st.integers(0, 2), filled=st.booleans(), dtype=st.sampled_from(["float32", "float64"]),
)  # fmt: skip
def test_images_go_to_channels_last_and_back(n, channels, height, width, border, filled, dtype):
    a = np.random.default_rng(n * channels).normal(size=(n, channels, height, width)).astype(dtype)
    back, made = np.full_like(a, np.nan), Call(dtype, 1)
    images = made.padded(a.shape, border, filled)
    offsets = made.held(pixel_offsets(height, width, images.image()))
    x, z = (conv2d.Images(made, a.shape, images)._image(0) for _ in range(2))
    sizes = n, height * width, channels
    made.emit(to_channels_last(made.lanes), x, images.image(), offsets, *sizes, images=n)
    made.emit(to_channels_first(made.lanes), images.image(), offsets, z, *sizes, images=n)
    made.sealed()(a, back)
    np.testing.assert_array_equal(back, a)
    inner = images.array[: images.size - made.lanes].reshape(images.shape[1:])
    found = inner[border : border + height, border : border + width, :channels].transpose(2, 0, 1)
    np.testing.assert_array_equal(found, a[-1])  # of the last image, one of them is kept
    assert np.count_nonzero(inner) == np.count_nonzero(a[-1])  # the border is left at zero


@settings(max_examples=20, deadline=None)
@given(
    size=st.sampled_from([(5, 7), (8, 8), (12, 9)]), channels=st.sampled_from([1, 3, 16, 18]),
    outputs=st.sampled_from([2, 20]), kernel=st.sampled_from([1, 3]), stride=st.integers(1, 2),
    padding=st.integers(0, 1), groups=st.sampled_from([1, 2]),
)  # fmt: skip
def test_convolutions_are_pytorchs(size, channels, outputs, kernel, stride, padding, groups):
    rng, c = np.random.default_rng(0), groups * channels
    shapes = (2, c, *size), (groups * outputs, channels, kernel, kernel)
    tensors = [torch.tensor(rng.normal(size=shape), requires_grad=True) for shape in shapes]
    z = torch.nn.functional.conv2d(*tensors, stride=stride, padding=padding, groups=groups)
    dz = rng.normal(size=z.shape)
    z.backward(torch.tensor(dz))
    a, w = (t.detach().numpy() for t in tensors)
    seen = windows(size, (kernel, kernel), (stride, stride), (padding, padding))
    found = (
        conv2d.output(a, w, None, seen, groups),
        conv2d.input_gradient(dz, w, seen, groups),
        conv2d.weight_gradient(dz, a, w.shape, seen, groups),
    )
    for x, y in zip(found, (z.detach(), tensors[0].grad, tensors[1].grad), strict=True):
        np.testing.assert_allclose(x, y.numpy(), rtol=1e-10, atol=1e-10)


@kernel
def doubled(x: Floats, z: Floats, count: int, part: int, parts: int, thread: int) -> None:
    for i in mine(count, part, parts):
        z[i] = 2 * x[i]


def test_a_call_takes_other_arrays_every_time():
    made = Call("float64", 1)
    x, z = made.given(3), made.given(3)
    made.emit(doubled, x, z, 3)
    made.sealed()
    for begin in (1.0, 5.0):
        source, target = np.arange(begin, begin + 3), np.zeros(3)
        made(source, target)
        np.testing.assert_array_equal(target, 2 * source)


def test_large_images_are_not_kept(monkeypatch):
    monkeypatch.setattr(call, "LARGE", 0)
    rng, seen = np.random.default_rng(0), windows((7, 9), (3, 3), (1, 1), (1, 1))
    a, w = rng.normal(size=(3, 5, 7, 9)), rng.normal(size=(4, 5, 3, 3))
    conv2d._output.cache_clear()
    expected = torch.nn.functional.conv2d(torch.tensor(a), torch.tensor(w), padding=1)
    for _ in range(2):
        np.testing.assert_allclose(conv2d.output(a, w, None, seen, 1), expected.numpy(), rtol=1e-10, atol=1e-12)
    conv2d._output.cache_clear()


def test_python_threads_may_call_at_once(two_threads):
    rng = np.random.default_rng(0)
    a, w = rng.normal(size=(8, 4, 12, 12)), rng.normal(size=(6, 4, 3, 3))
    seen, found = windows((12, 12), (3, 3)), []

    def work(factor: float) -> None:
        found.extend((factor, conv2d.output(factor * a, w, None, seen, 1)) for _ in range(20))

    workers = [threading.Thread(target=work, args=(factor,)) for factor in (1.0, -2.0, 3.0)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    expected = conv2d.output(a, w, None, seen, 1)
    assert len(found) == 60
    for factor, z in found:
        np.testing.assert_allclose(z, factor * expected, rtol=1e-12, atol=1e-12)


def test_a_step_is_laid_out_anew_when_weights_have_moved():
    w = underhood.tensor([1.0, 2.0, 3.0], requires_grad=True)
    sgd = optim.SGD([w], lr=0.5, momentum=0.9)
    for _ in range(2):
        w.grad = underhood.tensor([1.0, 1.0, 1.0])
        sgd.step()
    first = sgd._laid_out
    w.data = underhood.tensor([0.0, 0.0, 0.0])
    w.grad = underhood.tensor([1.0, 1.0, 1.0])
    sgd.step()
    assert first is not None
    assert sgd._laid_out is not first
    np.testing.assert_allclose(w.detach().numpy(), -0.5 * (1 + 0.9 + 0.81) * np.ones(3), rtol=1e-6)
    assert copy.deepcopy(sgd)._laid_out is None


def test_the_learning_rate_may_change_between_steps():
    w = underhood.zeros(2, requires_grad=True)
    sgd = optim.SGD([w], lr=1.0)
    for lr in (1.0, 0.25):
        sgd.param_groups[0]["lr"] = lr
        w.grad = underhood.ones(2)
        sgd.step()
    np.testing.assert_allclose(w.detach().numpy(), [-1.25, -1.25])


def test_parameters_of_two_dtypes_are_updated_too():
    single = underhood.zeros(2, requires_grad=True)
    double = underhood.zeros(2, dtype=underhood.float64, requires_grad=True)
    adam = optim.Adam([single, double], lr=0.1)
    (F.relu(single - 1).sum() + (single * 2).sum()).backward()
    (double * 3).sum().backward()
    adam.step()
    np.testing.assert_allclose(single.detach().numpy(), [-0.1, -0.1], rtol=1e-5)
    np.testing.assert_allclose(double.detach().numpy(), [-0.1, -0.1], rtol=1e-7)
