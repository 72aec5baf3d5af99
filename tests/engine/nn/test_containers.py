"""Lists and dictionaries of modules and parameters, beside torch's."""

from collections import OrderedDict

import pytest
import torch

import underhood

LIBRARIES = [pytest.param(underhood, id="underhood"), pytest.param(torch, id="torch")]


def sizes(modules):
    return [m.out_features for m in modules]


def linears(lib, *widths):
    return [lib.nn.Linear(1, n) for n in widths]


@pytest.mark.parametrize("lib", LIBRARIES)
@pytest.mark.parametrize("kind", ["Sequential", "ModuleList"])
def test_lists_of_modules(lib, kind):
    made = linears(lib, 1, 2, 3)
    net = lib.nn.Sequential(*made) if kind == "Sequential" else lib.nn.ModuleList(made)
    assert len(net) == 3
    assert sizes(net) == [1, 2, 3]
    assert net[-1] is made[2]
    assert sizes(net[1:]) == [2, 3]
    assert type(net[:2]) is type(net)
    net.append(lib.nn.Linear(1, 4))
    net.extend(linears(lib, 5))
    net.insert(1, lib.nn.Linear(1, 9))
    assert sizes(net) == [1, 9, 2, 3, 4, 5]
    net[0] = lib.nn.Linear(1, 8)
    del net[1]
    assert net.pop(-1).out_features == 5
    assert sizes(net) == [8, 2, 3, 4]
    del net[1:3]
    assert sizes(net) == [8, 4]
    net += lib.nn.Sequential(*linears(lib, 7)) if kind == "Sequential" else linears(lib, 7)
    assert [name for name, _ in net.named_children()] == ["0", "1", "2"]
    with pytest.raises(IndexError):
        net[3]


@pytest.mark.parametrize("lib", LIBRARIES)
def test_named_sequential(lib):
    net = lib.nn.Sequential(OrderedDict(a=lib.nn.Linear(2, 3), act=lib.nn.ReLU(), b=lib.nn.Linear(3, 1)))
    assert list(net.state_dict()) == ["a.weight", "a.bias", "b.weight", "b.bias"]
    assert net(lib.ones(4, 2)).shape == (4, 1)
    assert [n for n, _ in net[1:].named_children()] == ["act", "b"]
    del net[1]
    assert [n for n, _ in net.named_children()] == ["0", "1"]
    assert net[0].out_features == 3


@pytest.mark.parametrize("lib", LIBRARIES)
def test_module_list_only_holds(lib):
    with pytest.raises(NotImplementedError):
        lib.nn.ModuleList()(lib.ones(1))
    assert sizes(lib.nn.ModuleList(linears(lib, 1)) + linears(lib, 2)) == [1, 2]


@pytest.mark.parametrize("lib", LIBRARIES)
def test_module_dict(lib):
    net = lib.nn.ModuleDict({"a": lib.nn.Linear(1, 2)})
    net["b"] = lib.nn.ReLU()
    net.update({"c": lib.nn.Tanh()})
    net.update([("d", lib.nn.Sigmoid())])
    assert list(net) == list(net.keys()) == ["a", "b", "c", "d"]
    assert "b" in net
    assert len(net) == len(list(net.values())) == len(list(net.items())) == 4
    assert isinstance(net.pop("b"), lib.nn.ReLU)
    del net["c"]
    assert list(net.state_dict()) == ["a.weight", "a.bias"]
    net.clear()
    assert len(net) == 0
    with pytest.raises(KeyError):
        net["a"]
    with pytest.raises(KeyError):
        net["keys"] = lib.nn.ReLU()


@pytest.mark.parametrize("lib", LIBRARIES)
def test_parameter_list_and_dict(lib):
    class Net(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.listed = lib.nn.ParameterList([lib.ones(2), lib.nn.Parameter(lib.zeros(3))])
            self.named = lib.nn.ParameterDict({"x": lib.ones(1)})

    net = Net()
    net.listed.append(lib.ones(4))
    net.listed.extend([lib.ones(5)])
    net.named["y"] = lib.nn.Parameter(lib.ones(2, 2))
    assert list(net.state_dict()) == ["listed.0", "listed.1", "listed.2", "listed.3", "named.x", "named.y"]
    assert all(isinstance(p, lib.nn.Parameter) and p.requires_grad for p in net.parameters())
    assert len(net.listed) == 4
    assert net.listed[-1].shape == (5,)
    assert [p.shape.numel() for p in net.listed[:2]] == [2, 3]
    assert "y" in net.named
    assert [name for name, _ in net.named.items()] == ["x", "y"]


def test_lists_of_parameters_print_their_sizes():
    shown = repr(underhood.nn.ParameterList([underhood.ones(2, 3)]))
    assert shown == "ParameterList(\n  (0): Parameter containing: [float32 of size 2x3]\n)"
    assert "(x): Parameter containing: [float32 of size 1]" in repr(
        underhood.nn.ParameterDict({"x": underhood.ones(1)})
    )
    with pytest.raises(TypeError, match="cannot assign int as a parameter"):
        underhood.nn.ParameterList([3])


@pytest.mark.parametrize("lib", LIBRARIES)
@pytest.mark.parametrize("kind", ["Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"])
def test_the_last_one_goes_too(lib, kind):
    item = lib.nn.Parameter(lib.ones(1)) if "Parameter" in kind else lib.nn.Linear(1, 1)
    make = getattr(lib.nn, kind)

    def one():
        return make({"a": item}) if kind.endswith("Dict") else make(item) if kind == "Sequential" else make([item])

    key = "a" if kind.endswith("Dict") else 0
    emptied = []
    if kind != "ParameterList":  # neither library lets one delete of it
        emptied.append(one())
        del emptied[-1][key]
    if kind != "ParameterList":
        emptied.append(one())
        assert emptied[-1].pop(key) is item
    for net in emptied:
        assert len(net) == 0
        assert list(net) == []
        assert list(net.parameters()) == []
