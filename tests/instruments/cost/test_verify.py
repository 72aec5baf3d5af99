"""The check of the check: boxes and totals the long way."""

import instruments_networks as mine
import torch
from torch import nn

from underhood.instruments.cost import cost
from underhood.instruments.cost.verify import Box, boxes, boxes_table, flop_counter_macs


def test_box_of_one_convolution_is_exact():
    (box,) = boxes(cost(lambda: nn.Conv2d(1, 1, 5, padding=2), (1, 1, 20, 30)))
    assert box == Box("Conv2d", (10, 15), ((8, 12), (13, 17)), ((8, 12), (13, 17)), ((False, False),) * 2)


def test_where_the_middle_sees_all_the_first_unit_is_asked():
    checked = boxes(
        cost(lambda: nn.Sequential(nn.Conv2d(1, 1, 7, padding=3), nn.Conv2d(1, 1, 9, padding=4)), (1, 1, 12, 12))
    )
    assert checked[-1].unit == (0, 0)
    assert checked[-1].found == ((0, 7), (0, 7))


def test_table_counts_what_differs():
    good = Box("a", (1,), ((0, 2),), ((0, 2),))
    bad = Box("b", (1,), ((0, 2),), ((0, 3),))
    none = Box("c", (1,), ((0, 2),), (None,))
    assert boxes_table("n", [good]).foot[0] == "All 1 layers agree."
    assert boxes_table("n", [good, bad, none]).foot[0] == "3 layers, 2 differ."
    assert "none" in str(boxes_table("n", [none]))


def test_the_network_is_left_alone():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True), nn.BatchNorm2d(2), nn.MaxPool2d(2))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    found = cost(module, (1, 1, 12, 12))
    assert all(box.agrees for box in boxes(found))
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert module[1].inplace
    assert not module[0]._forward_hooks


def test_flop_counter_in_its_own_pass():
    for name in ("multi_head", "recurrent", "lazy"):
        found = cost(*mine.COUNTED[name])
        assert flop_counter_macs(found) == found.macs


def test_totals_of_a_network_that_asks_for_numbers():
    found = cost(mine.NeedsNumbers, (2, 6))
    assert flop_counter_macs(found) == found.macs == 3 * 2 * 36
