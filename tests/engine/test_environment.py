"""What scripts ask before they begin: devices, dtypes, old constructors, contexts; answered as torch on a CPU does."""

import numba
import numpy as np
import pytest
import torch

import underhood


@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:1", "mps"])
def test_devices_are_named_as_torchs(name):
    ours, theirs = underhood.device(name), torch.device(name)
    assert (str(ours), repr(ours), ours.type, ours.index) == (str(theirs), repr(theirs), theirs.type, theirs.index)
    assert ours == underhood.device(name)
    assert hash(ours) == hash(underhood.device(ours))
    assert (ours == name) is (theirs == name) is False


def test_devices_that_are_none():
    for lib in (underhood, torch):
        for wrong in ("gpu", "cuda:x", "cpu:"):
            with pytest.raises(RuntimeError):
                lib.device(wrong)
        assert lib.device("cuda", 1) == lib.device("cuda:1")


def test_the_cpu_is_the_only_device():
    device = underhood.device("cuda" if underhood.cuda.is_available() else "cpu")
    x = underhood.zeros(2, device=device)
    net = underhood.nn.Linear(2, 1, device="cpu").to(device)
    assert x.to(device) is x
    assert x.cpu() is x
    assert x.device == device
    assert net(x).device.type == "cpu"
    assert not x.is_cuda
    for move in (
        lambda: x.to("cuda"),
        lambda: x.to(underhood.device("cuda:0")),
        lambda: x.cuda(),
        lambda: net.to("mps"),
        lambda: underhood.zeros(2, device="cuda"),
        lambda: underhood.nn.Linear(2, 1, device="cuda"),
        lambda: x.new_zeros(3, device="cuda"),
        lambda: underhood.set_default_device("cuda"),
        lambda: underhood.cuda.synchronize(),
    ):
        with pytest.raises(RuntimeError, match="runs on the CPU"):
            move()


def test_what_a_script_asks_of_the_machine():
    x = underhood.tensor([1.0, 2.0])
    assert underhood.get_default_device() == underhood.device("cpu")
    underhood.set_default_device("cpu")
    assert underhood.are_deterministic_algorithms_enabled() is True
    assert underhood.get_float32_matmul_precision() == "highest"
    for precision in ("highest", "high", "medium"):
        underhood.set_float32_matmul_precision(precision)
    with pytest.raises(RuntimeError, match="'best' is none of highest, high, medium"):
        underhood.set_float32_matmul_precision("best")
    assert underhood.is_complex(x) is False
    assert underhood.is_floating_point(x) is True
    assert underhood.is_floating_point(underhood.tensor([1])) is False
    assert underhood.is_tensor(x)
    assert not underhood.is_tensor([1.0])
    assert underhood.numel(x.reshape(2, 1)) == 2


def test_threads_are_no_more_than_there_are():
    before = underhood.get_num_threads()
    try:
        underhood.set_num_threads(1)
        assert underhood.get_num_threads() == 1
        underhood.set_num_threads(10_000)
        assert underhood.get_num_threads() == numba.config.NUMBA_NUM_THREADS
    finally:
        underhood.set_num_threads(before)


def test_old_names_that_are_gone_or_mean_nothing():
    with pytest.raises(ValueError, match="use `with no_grad"):
        underhood.autograd.Variable(underhood.ones(1), volatile=True)
    net = underhood.nn.Linear(2, 1)
    assert net.cpu() is net
    wrapped = underhood.nn.DataParallel(net)
    x = underhood.ones(3, 2)
    assert wrapped(x).tolist() == net(x).tolist()
    assert wrapped.module is net
    assert list(dict(wrapped.named_parameters())) == ["module.weight", "module.bias"]
    with pytest.raises(RuntimeError, match=r"DataParallel\(device_ids=\[0\]\): underhood's engine runs on the CPU"):
        underhood.nn.DataParallel(net, device_ids=[0])


def test_switches_of_what_is_not_there():
    import underhood.backends.cudnn as cudnn
    from underhood.cuda.amp import GradScaler, autocast

    cudnn.benchmark = True
    underhood.backends.cudnn.deterministic = True
    underhood.backends.cuda.matmul.allow_tf32 = True
    underhood.set_float32_matmul_precision("high")
    underhood.use_deterministic_algorithms(True)
    underhood.cuda.manual_seed_all(1)
    assert not underhood.backends.mps.is_available()
    assert not underhood.accelerator.is_available()
    w = underhood.tensor([2.0], requires_grad=True)
    optimizer, scaler = underhood.optim.SGD([w], lr=0.25), GradScaler()
    with autocast(), underhood.amp.autocast("cuda", dtype=underhood.float32):
        loss = (w * w).sum()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert w.item() == 1.0
    with pytest.raises(NotImplementedError, match="bfloat16"):
        underhood.amp.autocast("cpu")
    underhood.amp.autocast("cpu", enabled=False)


@pytest.mark.parametrize("name", ["Float", "Double", "Long", "Int", "Short", "Char", "Byte", "Bool"])
def test_old_constructors(name):
    ours, theirs = (getattr(lib, f"{name}Tensor") for lib in (underhood, torch))
    for data in ([], [1, 0, 1], [[1.7, 2.0]], np.array([1.0, 0.0])):
        if name != "Float" and name != "Double" and not isinstance(data, list):
            continue
        a = ours(data)
        try:
            b = theirs(data if isinstance(data, list) else torch.tensor(data, dtype=getattr(torch, str(a.dtype))))
        except TypeError:  # torch wants whole numbers; a number that is cut is the more forgiving answer
            continue
        assert str(a.dtype) == str(b.dtype).removeprefix("torch.")
        np.testing.assert_array_equal(a.numpy(), b.numpy())
        assert isinstance(a, ours)
        assert isinstance(a, underhood.Tensor)
    assert ours(2, 3).shape == (2, 3)
    assert ours(underhood.Size([4])).shape == (4,)
    other = underhood.FloatTensor if name == "Long" else underhood.LongTensor
    assert not isinstance(ours([1]), other)
    assert ours([1]).type() == f"underhood.{name}Tensor"


def test_tensor_itself_is_a_constructor():
    for lib in (underhood, torch):
        assert lib.Tensor([[1, 2]]).tolist() == [[1.0, 2.0]]
        assert lib.Tensor([1]).dtype == lib.float32
        assert tuple(lib.Tensor(2, 3).shape) == (2, 3)
        assert tuple(lib.Tensor(4).shape) == (4,)
        assert lib.Tensor().numel() == 0
        assert lib.zeros(2).type(lib.LongTensor).dtype == lib.int64
        assert lib.zeros(2).type("torch.DoubleTensor").dtype == lib.float64


def test_sizes():
    for lib in (underhood, torch):
        size = lib.zeros(2, 3, 4).shape
        assert isinstance(size, lib.Size)
        assert isinstance(size[1:], lib.Size)
        assert size[1] == 3
        assert size[:1] + (7,) == lib.Size([2, 7])  # noqa: RUF005
        assert isinstance(size[1:] + (1,), lib.Size)  # noqa: RUF005
        assert size.numel() == 24
        assert lib.Size([2, 3]).numel() == 6


def test_variables_are_tensors():
    for lib in (underhood, torch):
        x = lib.autograd.Variable(lib.ones(2), requires_grad=True)
        assert isinstance(x, lib.Tensor)
        assert isinstance(x, lib.autograd.Variable)
        assert x.requires_grad
        assert lib.is_tensor(x)
        assert not lib.is_tensor([1])
        assert lib.is_floating_point(x)
        assert lib.numel(x) == 2


def test_the_default_dtype_is_everywhere():
    for lib in (underhood, torch):
        assert lib.get_default_dtype() == lib.float32
        lib.set_default_dtype(lib.float64)
        try:
            made = [lib.tensor(1.5), lib.zeros(2), lib.rand(2), lib.arange(0, 1, 0.5), lib.nn.Linear(2, 2).weight]
            made += [lib.tensor([1, 2]) * 0.5, lib.tensor([1, 2]).exp(), lib.tensor([1, 2]) / 2, lib.Tensor([1])]
            made += [lib.nn.BatchNorm1d(3).running_mean, lib.eye(2), lib.full((2,), 0.5), lib.linspace(0, 1, 3)]
            assert {str(x.dtype).removeprefix("torch.") for x in made} == {"float64"}
        finally:
            lib.set_default_dtype(lib.float32)
        with pytest.raises(TypeError):
            lib.set_default_dtype(lib.int64)


def counting(lib, context):
    @context
    def numbers(x):
        """Steps of a generator, and what is sent in."""
        yield x * 2
        got = yield x * 3
        try:
            yield got
        except KeyError:
            yield x * 4
        return "end"

    return numbers


@pytest.mark.parametrize("name", ["no_grad", "inference_mode"])
def test_a_decorated_generator_is_off_the_tape_at_each_step_and_leaves_it_on_between(name):
    for lib in (underhood, torch):
        numbers = counting(lib, getattr(lib, name)())
        x = lib.ones(1, requires_grad=True)
        steps = numbers(x)
        assert not next(steps).requires_grad
        assert lib.is_grad_enabled()
        assert (x * 2).requires_grad
        assert not steps.send(None).requires_grad
        assert steps.send("sent") == "sent"
        assert not steps.throw(KeyError()).requires_grad
        with pytest.raises(StopIteration, match="end"):
            next(steps)
        assert numbers.__doc__.startswith("Steps")


def test_contexts_and_decorators():
    for lib in (underhood, torch):
        x = lib.ones(1, requires_grad=True)

        @lib.no_grad
        def plain(x):
            return x * 2

        with lib.inference_mode():
            assert not (x * 2).requires_grad
            assert not lib.is_grad_enabled()
        with lib.inference_mode(False):
            assert (x * 2).requires_grad
        assert not plain(x).requires_grad
        assert (x * 2).requires_grad


def test_what_was_made_like_another_takes_a_device_and_a_dtype():
    for lib in (underhood, torch):
        x = lib.zeros(2, dtype=lib.float64)
        made = [
            x.new_zeros(2, 3, device="cpu"),
            x.new_ones((2, 3)),
            x.new_full((2,), 7, device=lib.device("cpu")),
            x.new_tensor([1, 2], device="cpu"),
            x.new_empty(3),
        ]
        assert all(y.dtype == lib.float64 for y in made)
        assert x.new_zeros(2, dtype=lib.int64, device="cpu").dtype == lib.int64
        assert lib.full_like(lib.zeros(2, dtype=lib.int64), 0.5, dtype=lib.float32).tolist() == [0.5, 0.5]
        assert lib.tensor([lib.tensor([1.0, 2.0]).tolist(), [3.0, 4.0]]).shape == (2, 2)
        assert lib.zeros(size=(2, 3), device="cpu").shape == (2, 3)
        with pytest.raises(TypeError):
            lib.zeros(2, wrong=1)
