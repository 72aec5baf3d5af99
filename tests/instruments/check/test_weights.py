"""Which weight of one network is which of another: by name, by order, in parts, transposed, shared."""

import pytest
import torch
from torch import nn

from underhood.errors import BadInput
from underhood.instruments.check.weights import draw_constants, match


class Own(nn.Module):
    """Weights of one's own, named and shaped as asked."""

    def __init__(self, **shapes):
        super().__init__()
        for name, shape in shapes.items():
            setattr(self, name, nn.Parameter(torch.zeros(shape)))


def linked(mine, theirs):
    found = match(mine, theirs, "mine", "theirs")
    return [(link.mine, link.theirs, link.transposed) for link in found.links], found.mine, found.theirs


def test_names_come_first():
    assert linked(Own(a=(2, 3), b=(2, 3)), Own(b=(2, 3), a=(2, 3))) == (
        [("a", "a", False), ("b", "b", False)],
        [],
        [],
    )


def test_what_has_another_name_goes_by_its_place_among_those_of_as_many_axes():
    found, left, missing = linked(Own(w=(2, 3), b=(2,), v=(4, 2)), Own(one=(2, 3), two=(4, 2), three=(2,)))
    assert sorted(found) == [("b", "three", False), ("v", "two", False), ("w", "one", False)]
    assert (left, missing) == ([], [])


def test_a_weight_of_ones_own_may_be_transposed():
    assert linked(Own(w=(3, 2)), Own(weight=(2, 3)))[0] == [("w", "weight", True)]
    assert linked(Own(weight=(3, 2)), Own(weight=(2, 3)))[0] == [("weight", "weight", True)]
    with pytest.raises(BadInput, match=r"weight is \(3, 2\), weight of theirs is \(2, 3\): transposed weight"):
        linked(nn.Linear(2, 3, bias=False), Own(weight=(2, 3)))
    with pytest.raises(BadInput, match=r"weight is \(3, 2\), weight of theirs is \(4, 2\)$"):
        linked(nn.Linear(2, 3, bias=False), Own(weight=(4, 2)))


def parts(mine, theirs):
    found = match(mine, theirs, "mine", "theirs")
    return [(link.mine, link.theirs, link.rows, link.from_rows) for link in found.links], found.mine, found.theirs


def test_one_weight_may_be_several_of_the_other_side():
    """Query, key and value in one, as nn.MultiheadAttention keeps them."""
    found, left, missing = parts(Own(q=(2, 4), k=(2, 4), v=(3, 4)), Own(qkv=(7, 4)))
    assert found == [("q", "qkv", (0, 2), (0, 2)), ("k", "qkv", (0, 2), (2, 4)), ("v", "qkv", (0, 3), (4, 7))]
    assert (left, missing) == ([], [])
    found, left, missing = parts(Own(qk=(4, 4), v=(3, 4)), Own(a=(2, 4), bv=(5, 4)))
    assert found == [("qk", "a", (0, 2), (0, 2)), ("qk", "bv", (2, 4), (0, 2)), ("v", "bv", (0, 3), (2, 5))]


def test_half_a_weight_is_none():
    with pytest.raises(BadInput, match="have no weights in common"):
        parts(Own(q=(2, 4), k=(2, 4)), Own(qkv=(7, 4)))
    found, left, missing = parts(Own(same=(5,), q=(2, 4), k=(2, 4)), Own(same=(5,), qkv=(7, 4)))
    assert [link[0] for link in found] == ["same"]
    assert (left, missing) == (["q", "k"], ["qkv"])


def test_what_is_left_over_is_named_on_either_side():
    found, left, missing = parts(Own(a=(2, 3), b=(2,)), Own(a=(2, 3)))
    assert (len(found), left, missing) == (1, ["b"], [])
    found, left, missing = parts(Own(a=(2, 3)), Own(a=(2, 3), b=(2,), c=(3,)))
    assert (len(found), left, missing) == (1, [], ["b", "c"])


def test_nothing_in_common_is_said_with_the_first_four():
    with pytest.raises(
        BadInput,
        match=r"mine and theirs have no weights in common: a \(2,\), where theirs has b \(3, 1\), .* and 1 more$",
    ):
        linked(Own(a=(2,)), Own(b=(3, 1), c=(3, 1), d=(3, 1), e=(3, 1), f=(3, 1)))


def test_weights_that_are_all_alike_are_drawn_and_others_stay():
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    before = net[0].weight.detach().clone()
    draw_constants(net)
    assert torch.equal(net[0].weight, before)
    for values in (net[1].weight, net[1].bias, net[1].running_mean, net[1].running_var):
        assert len(set(values.tolist())) == 3
    assert (net[1].running_var > 0).all()
    again = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    draw_constants(again)
    assert torch.equal(net[1].weight, again[1].weight)
    assert abs(net[1].weight - 1).max() < 1.5
