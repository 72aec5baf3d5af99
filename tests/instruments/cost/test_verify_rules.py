"""When a box agrees, which layers are asked, which weights they get, and what the table says of it."""

import pytest
import torch
from torch import nn

from underhood.instruments.cost import cost
from underhood.instruments.cost.verify import Box, _average_pools, _positive, _within, boxes, boxes_table

INSIDE, BEFORE, AFTER, BOTH = (False, False), (True, False), (False, True), (True, True)


@pytest.mark.parametrize(
    ("found", "agrees"),
    [
        ((2, 5), {INSIDE, BEFORE, AFTER, BOTH}),
        ((3, 5), {BEFORE, BOTH}),
        ((1, 5), set()),
        ((2, 4), {AFTER, BOTH}),
        ((2, 6), set()),
        ((3, 4), {BOTH}),
        ((1, 4), set()),
        ((3, 6), set()),
        (None, set()),
    ],
)
def test_a_box_may_end_earlier_only_where_the_field_goes_beyond_the_border(found, agrees):
    assert {beyond for beyond in (INSIDE, BEFORE, AFTER, BOTH) if _within((2, 5), found, beyond)} == agrees
    assert Box("a", (0,), ((2, 5),), (found,)).agrees is (INSIDE in agrees)
    assert Box("a", (0,), ((2, 5), (0, 1)), (found, (0, 1)), (BOTH, INSIDE)).agrees is (BOTH in agrees)
    assert not Box("a", (0, 0), ((0, 1), (2, 5)), ((0, 1), None)).agrees


def test_a_network_without_fields_has_no_boxes():
    assert boxes(cost(lambda: nn.Linear(3, 2), (4, 3))) == []


def test_only_modules_whose_field_changes_are_asked():
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.ReLU(), nn.BatchNorm2d(2), nn.MaxPool2d(2), nn.Tanh(), nn.Conv2d(2, 2, 1),
        nn.Conv2d(2, 2, 3), nn.AdaptiveAvgPool2d(1),
    )  # fmt: skip
    found = boxes(cost(net, (1, 1, 20, 16)))
    assert [box.layer for box in found] == ["0", "3", "6"]
    assert [box.unit for box in found] == [(9, 7), (4, 3), (3, 2)]
    assert [box.expected for box in found] == [((9, 11), (7, 9)), ((8, 11), (6, 9)), ((6, 13), (4, 11))]
    assert all(box.found == box.expected and box.agrees for box in found)
    assert {box.beyond for box in found} == {(INSIDE, INSIDE)}


def test_a_layer_called_again_is_asked_once():
    class Again(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3)

        def forward(self, x):
            return self.conv(self.conv(x))

    assert [(box.layer, box.found) for box in boxes(cost(Again, (1, 1, 12, 12)))] == [("conv", ((5, 7), (5, 7)))]


@pytest.mark.parametrize(
    ("net", "shape", "unit", "expected", "beyond"),
    [
        (nn.Conv1d(1, 1, 5, padding=2), (2, 1, 10), (5,), ((3, 7),), (INSIDE,)),
        (nn.Conv1d(1, 1, 4, padding=1), (2, 1, 5), (2,), ((1, 4),), (INSIDE,)),
        # the middle unit sees all pixels, so the first is asked
        (nn.Conv1d(1, 1, 5, padding=1), (2, 1, 5), (0,), ((0, 3),), (BEFORE,)),
        (nn.Conv1d(1, 1, 9, padding=4), (2, 1, 7), (0,), ((0, 4),), (BEFORE,)),
        (nn.Conv2d(1, 1, (7, 3), padding=(3, 1)), (1, 1, 5, 9), (0, 4), ((0, 3), (3, 5)), (BEFORE, INSIDE)),
        (nn.Conv2d(1, 1, 9, padding=4), (1, 1, 4, 30), (0, 15), ((0, 3), (11, 19)), (BOTH, INSIDE)),
        (nn.Conv3d(1, 1, 3, padding=1), (1, 1, 5, 6, 7), (2, 3, 3), ((1, 3), (2, 4), (2, 4)), (INSIDE,) * 3),
    ],
)
def test_units_and_pixels_by_hand(net, shape, unit, expected, beyond):
    (box,) = boxes(cost(net, shape))
    assert (box.unit, box.expected, box.found, box.beyond) == (unit, expected, expected, beyond)


def test_weights_average_and_scales_are_one():
    net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Linear(5, 3))
    with torch.no_grad():
        net[1].running_mean.fill_(4.0)
        net[1].running_var.fill_(4.0)
        net[1].num_batches_tracked.fill_(7)
    _positive(net)
    assert torch.equal(net[0].weight, torch.full((4, 2, 3, 3), 1 / 18))
    assert torch.equal(net[2].weight, torch.full((3, 5), 1 / 5))
    assert not net[0].bias.any()
    assert not net[1].bias.any()
    assert torch.equal(net[1].weight, torch.ones(4))
    assert not net[1].running_mean.any()
    assert torch.equal(net[1].running_var, torch.ones(4))
    assert int(net[1].num_batches_tracked) == 7  # whole numbers count
    assert not any(p.requires_grad for p in net.parameters())


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((3,), {}),
        ((2, 1), {}),
        ((3, 2, 1), {}),
        (((2, 3), (1, 2)), {"padding": (1, 0)}),
        ((2,), {"ceil_mode": True}),
    ],
)
def test_max_pools_run_as_averages(arguments, named):
    x = torch.rand(1, 2, 7, 7, dtype=torch.float64)
    with _average_pools():
        found = nn.functional.max_pool2d(x, *arguments, **named)
        assert torch.equal(torch.relu(x), x)
    assert torch.equal(found, nn.functional.avg_pool2d(x, *arguments, **named))


@pytest.mark.parametrize("more", [{"stride": 1}, {"stride": 2, "padding": 1}, {"kernel_size": (2, 3)}, {}])
def test_dilated_max_pools_reach_where_they_did(more):
    """The averages touch exactly the pixels that the windows hold."""
    more = {"kernel_size": 2, "dilation": 2, **more}
    x = torch.rand(1, 2, 9, 9, dtype=torch.float64, requires_grad=True)
    with _average_pools():
        found = nn.functional.max_pool2d(x, **more)
    plain, indices = nn.functional.max_pool2d(x, **more, return_indices=True)
    assert found.shape == plain.shape
    (gradient,) = torch.autograd.grad(found[0, 1, 1, 1], x)
    assert gradient[0, 1].flatten()[indices[0, 1, 1, 1]] > 0
    height, width = more["kernel_size"] if isinstance(more["kernel_size"], tuple) else (2, 2)
    assert int((gradient != 0).sum()) == height * width


def test_a_dilated_pool_that_goes_beyond_the_end_is_refused():
    with _average_pools(), pytest.raises(NotImplementedError, match="no dilated pools with ceil_mode"):
        nn.functional.max_pool2d(torch.rand(1, 1, 9, 9), 2, dilation=2, ceil_mode=True)


def test_lazy_modules_get_their_shapes_first():
    net = nn.Sequential(nn.LazyConv2d(2, 3), nn.ReLU(), nn.LazyConv2d(2, 3))
    found = boxes(cost(net, (1, 1, 9, 9)))
    assert [(box.layer, box.agrees) for box in found] == [("0", True), ("2", True)]


def test_the_table_of_boxes():
    good = Box("a", (3, 4), ((0, 2), (1, 5)), ((0, 2), (1, 5)))
    bad = Box("b", (1,), ((0, 2),), (None,))
    table = boxes_table("net", [good, bad])
    assert [(column.name, column.title, column.align) for column in table.columns] == [
        ("layer", "Layer", "left"),
        ("unit", "Unit", "left"),
        ("expected", "Pixels, worked out", "left"),
        ("found", "Pixels, gradient", "left"),
        ("agrees", "Equal", "left"),
    ]
    assert [tuple(row.values()) for row in table.rows] == [
        ("a", "3, 4", "0–2 × 1–5", "0–2 × 1–5", True),
        ("b", "1", "0–2", "none", False),
    ]
    assert (table.title, table.name) == ("net: receptive fields against gradients", "verified")
    assert table.foot == [
        "2 layers, 1 differ.",
        "Cut at the image's border; max-pools run as averages, weights all alike, pixels positive.",
    ]
