"""Module: what it registers, finds, saves, loads and prints, beside torch's."""

import copy
import pickle

import numpy as np
import pytest
import torch

import underhood

LIBRARIES = [pytest.param(underhood, id="underhood"), pytest.param(torch, id="torch")]


def network(lib):
    """One of everything: nested, shared, with buffers, one of them unsaved."""

    class Block(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = lib.nn.Linear(3, 3)
            self.scale = lib.nn.Parameter(lib.ones(3))
            self.register_buffer("mean", lib.zeros(3))
            self.register_buffer("scratch", lib.ones(1), persistent=False)
            self.register_parameter("missing", None)

        def forward(self, x):
            return self.linear(x) * self.scale + self.mean

    class Net(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = Block()
            self.rest = lib.nn.Sequential(lib.nn.ReLU(), lib.nn.BatchNorm1d(3))
            self.again = self.first.linear

        def forward(self, x):
            return self.again(self.rest(self.first(x)))

    return Net()


def names(pairs):
    return [name for name, _ in pairs]


def test_what_is_found_and_in_which_order():
    ours, theirs = network(underhood), network(torch)
    for method in ("named_parameters", "named_buffers", "named_modules", "named_children"):
        assert names(getattr(ours, method)()) == names(getattr(theirs, method)()), method
    assert len(list(ours.parameters())) == len(list(theirs.parameters()))
    assert len(list(ours.children())) == len(list(theirs.children()))
    assert len(list(ours.modules())) == len(list(theirs.modules()))
    assert names(ours.named_parameters("net", recurse=False)) == []
    assert names(ours.first.named_parameters(recurse=False)) == ["scale"]
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert list(ours.state_dict(prefix="net.")) == list(theirs.state_dict(prefix="net."))


def test_weights_move_both_ways():
    ours, theirs = network(underhood).double(), network(torch).double()
    ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(0).normal(size=(4, 3))
    z, expected = ours(underhood.tensor(x)), theirs(torch.tensor(x))
    np.testing.assert_allclose(z.detach().numpy(), expected.detach().numpy(), atol=1e-12)
    with underhood.no_grad():
        for p in ours.parameters():
            p.mul_(2)
    back = {key: torch.from_numpy(value.numpy()) for key, value in ours.state_dict().items()}
    theirs.load_state_dict(back)
    assert torch.equal(theirs.first.scale, torch.full((3,), 2.0, dtype=torch.float64))


@pytest.mark.parametrize("lib", LIBRARIES)
def test_state_dict_shares_memory(lib):
    net = lib.nn.Linear(2, 2)
    state = net.state_dict()
    assert not state["weight"].requires_grad
    assert net.state_dict(keep_vars=True)["weight"] is net.weight
    with lib.no_grad():
        net.weight.fill_(7)
    assert float(state["weight"][0, 0]) == 7


@pytest.mark.parametrize("lib", LIBRARIES)
def test_all_mistakes_of_a_state_dict_are_told_at_once(lib):
    net = lib.nn.Linear(2, 3)
    state = {"weight": lib.ones(3, 3), "bias2": lib.ones(3)}
    with pytest.raises(RuntimeError) as error:
        net.load_state_dict(state)
    for part in ("Unexpected key(s)", "bias2", "Missing key(s)", '"bias"', "size mismatch for weight"):
        assert part in str(error.value)
    found = net.load_state_dict({"weight": lib.ones(3, 2), "bias2": lib.ones(3)}, strict=False)
    assert found.missing_keys == ["bias"]
    assert found.unexpected_keys == ["bias2"]
    assert float(net.weight.detach().sum()) == 6


@pytest.mark.parametrize("lib", LIBRARIES)
def test_paths(lib):
    net = network(lib)
    assert net.get_submodule("first.linear") is net.first.linear
    assert net.get_submodule("") is net
    assert net.get_parameter("first.scale") is net.first.scale
    assert net.get_buffer("rest.1.running_mean") is net.rest[1].running_mean
    for method, path in (("get_submodule", "first.none"), ("get_parameter", "first.mean"), ("get_buffer", "nowhere.x")):
        with pytest.raises(AttributeError):
            getattr(net, method)(path)


@pytest.mark.parametrize("lib", LIBRARIES)
def test_assigning_and_deleting(lib):
    net = lib.nn.Module()
    net.weight = lib.nn.Parameter(lib.ones(2))
    assert names(net.named_parameters()) == ["weight"]
    net.weight = None
    assert names(net.named_parameters()) == []
    net.part = lib.nn.ReLU()
    assert names(net.named_children()) == ["part"]
    del net.part
    assert names(net.named_children()) == []
    net.number = 3
    net.number = lib.nn.Parameter(lib.ones(1))
    assert names(net.named_parameters()) == ["number"]
    net.register_buffer("mean", lib.zeros(2))
    net.mean = lib.ones(2)
    assert names(net.named_buffers()) == ["mean"]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        net.nothing  # noqa: B018
    with pytest.raises(AttributeError):
        del net.nothing


@pytest.mark.parametrize("lib", LIBRARIES)
@pytest.mark.parametrize(
    ("program", "error"),
    [
        (lambda lib, net: setattr(net, "weight", lib.ones(2)), TypeError),
        (lambda lib, net: setattr(net, "inner", 3), TypeError),
        (lambda lib, net: net.register_parameter("other", lib.ones(2)), TypeError),
        (lambda lib, net: net.register_buffer("other", 3), TypeError),
        (lambda lib, net: net.add_module("other", 3), TypeError),
        (lambda lib, net: net.register_buffer("a.b", lib.ones(1)), KeyError),
        (lambda lib, net: net.add_module("", lib.nn.ReLU()), KeyError),
        (lambda lib, net: net.register_buffer("weight", lib.ones(1)), KeyError),
        (lambda lib, net: net.add_module("forward", lib.nn.ReLU()), KeyError),
        (lambda lib, net: net(lib.ones(1)), NotImplementedError),
    ],
)
def test_what_is_refused(lib, program, error):
    net = lib.nn.Module()
    net.weight = lib.nn.Parameter(lib.ones(2))
    net.inner = lib.nn.ReLU()
    with pytest.raises(error):
        program(lib, net)


@pytest.mark.parametrize("lib", LIBRARIES)
def test_nothing_is_registered_before_init(lib):
    class Early(lib.nn.Module):
        def __init__(self):
            self.part = lib.nn.ReLU()

    with pytest.raises(AttributeError, match="before Module"):
        Early()


@pytest.mark.parametrize("lib", LIBRARIES)
def test_modes(lib):
    net = network(lib)
    assert net.training
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    net.train()
    assert all(m.training for m in net.modules())
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())


@pytest.mark.parametrize("lib", LIBRARIES)
def test_dtypes_of_parameters_and_buffers(lib):
    net = network(lib)
    before = net.first.scale
    net.double()
    assert net.first.scale is before
    assert {p.dtype for p in net.parameters()} == {lib.float64}
    assert net.first.mean.dtype == lib.float64
    assert net.rest[1].num_batches_tracked.dtype == lib.int64
    for back in (net.float(), net.to(lib.float32), net.to("cpu"), net.to(lib.ones(1)), net.type(lib.float32)):
        assert {p.dtype for p in back.parameters()} == {lib.float32}


@pytest.mark.parametrize("lib", LIBRARIES)
def test_apply_goes_from_the_leaves_up(lib):
    seen = []
    network(lib).apply(lambda m: seen.append(type(m).__name__))
    assert seen == ["Linear", "Block", "ReLU", "BatchNorm1d", "Sequential", "Linear", "Net"]


@pytest.mark.parametrize("lib", LIBRARIES)
def test_zero_grad(lib):
    net = lib.nn.Linear(2, 2)
    net(lib.ones(1, 2)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert float(net.weight.grad.abs().sum()) == 0
    net.zero_grad()
    assert net.weight.grad is None


@pytest.mark.parametrize("lib", LIBRARIES)
def test_copies(lib):
    net = lib.nn.Sequential(lib.nn.Linear(2, 2), lib.nn.ReLU())
    reference = copy.deepcopy(net)
    again = pickle.loads(pickle.dumps(net))
    with lib.no_grad():
        net[0].weight.zero_()
    for other in (reference, again):
        assert float(other[0].weight.detach().abs().sum()) > 0
        assert isinstance(other[0].weight, lib.nn.Parameter)
        assert len(list(other.parameters())) == 2


def test_printing():
    ours, theirs = network(underhood), network(torch)
    assert repr(ours) == repr(theirs)
    assert repr(underhood.nn.Linear(2, 3)) == repr(torch.nn.Linear(2, 3))
    assert repr(underhood.nn.Parameter(underhood.ones(1))).startswith("Parameter containing:\ntensor(")


@pytest.mark.parametrize("lib", LIBRARIES)
def test_there_is_only_the_cpu(lib):
    with pytest.raises((RuntimeError, AssertionError)):
        lib.nn.Linear(2, 2).to("cuda")


# -- hooks --


@pytest.mark.parametrize("lib", LIBRARIES)
def test_forward_hooks(lib):
    net, seen = lib.nn.Identity(), []

    def before(module, inputs):
        seen.append(("before", float(inputs[0])))
        return inputs[0] + 1

    def after(module, inputs, output):
        seen.append(("after", float(inputs[0]), float(output)))
        return output * 10

    handles = [net.register_forward_pre_hook(before), net.register_forward_hook(after)]
    assert float(net(lib.tensor(1.0))) == 20
    assert seen == [("before", 1.0), ("after", 2.0, 2.0)]
    for handle in handles:
        handle.remove()
    assert float(net(lib.tensor(1.0))) == 1


@pytest.mark.parametrize("lib", LIBRARIES)
def test_forward_hooks_in_order_and_with_options(lib):
    class Scaled(lib.nn.Module):
        def forward(self, x, by=1):
            return x * by

    net, seen = Scaled(), []
    net.register_forward_hook(lambda m, i, o: seen.append("second"))
    net.register_forward_hook(lambda m, i, o: seen.append("first"), prepend=True)
    net.register_forward_hook(lambda m, i, k, o: seen.append(k["by"]), with_kwargs=True)
    net.register_forward_pre_hook(lambda m, i, k: (i, {"by": k["by"] + 1}), with_kwargs=True)
    assert float(net(lib.tensor(2.0), by=3)) == 8
    assert seen == ["first", "second", 4]


def hooked_module(lib, x, y):
    """Two inputs, two outputs, hooks that look and hooks that change."""

    class Mixed(lib.nn.Module):
        def forward(self, a, b, constant):
            return a * b + constant, a.sin()

    net = Mixed()
    seen = []

    def look(module, grad_input, grad_output):
        seen.extend([*grad_input[:2], *grad_output])

    net.register_full_backward_hook(look)
    net.register_full_backward_hook(lambda m, gi, go: (gi[0] * 2, gi[1], None))
    net.register_full_backward_pre_hook(lambda m, go: (go[0] * 3, go[1]))
    p, q = net(x * 1, y * 1, lib.tensor(2.0, dtype=lib.float64))
    loss = (p * q).sum()
    loss.backward()
    return [g.detach() for g in seen]


def hooked_first_layer(lib, x, y):
    """No input wants a gradient: the hook still sees grad_output."""
    seen = []
    net = lib.nn.Linear(4, 2).double()
    with lib.no_grad():
        net.weight.fill_(0.5)
        net.bias.fill_(0.1)
    net.register_full_backward_hook(lambda m, gi, go: seen.extend([gi == (None,), *go]))
    (net(x.detach()) ** 2).sum().backward()
    assert seen[0] is True
    return [seen[1].detach(), net.weight.grad]


def hooked_changes_in_place(lib, x, y):
    net = lib.nn.ReLU()
    net.register_full_backward_hook(lambda m, gi, go: (gi[0] * 5,))
    return (net(x * y) * y).sum()


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.parametrize("program", [hooked_module, hooked_first_layer, hooked_changes_in_place])
def test_full_backward_hooks(same, program):
    draw = np.random.default_rng(0)
    same(program, draw.normal(size=(3, 4)), draw.normal(size=(3, 4)))


@pytest.mark.parametrize("lib", LIBRARIES)
def test_backward_hooks_can_be_removed_and_sleep_under_no_grad(lib):
    net, seen = lib.nn.Identity(), []
    handle = net.register_full_backward_hook(lambda m, gi, go: seen.append(1))
    x = lib.ones(2, requires_grad=True)
    with lib.no_grad():
        net(x)
    net(x * 1).sum().backward()
    assert seen == [1]
    handle.remove()
    net(x * 1).sum().backward()
    assert seen == [1]
