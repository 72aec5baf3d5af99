"""The sums of the fields in words, and sizes that stay known where the order is lost."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from underhood.instruments.cost import cost
from underhood.instruments.cost.receptive_field.moves import groups


class Do(nn.Module):
    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, x):
        return self.f(x)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (nn.Conv1d(1, 1, 3), "1 + (3 − 1)·1 = 3, stride 1·1 = 1, offset 0 − 0·1 = 0"),
        (nn.Conv1d(1, 1, 3, 2, 1), "1 + (3 − 1)·1 = 3, stride 1·2 = 2, offset 0 − 1·1 = −1"),
        (nn.Conv1d(1, 1, 3, padding=4, dilation=2), "1 + (3 − 1)·2·1 = 5, stride 1·1 = 1, offset 0 − 4·1 = −4"),
    ],
)
def test_one_window(layer, said):
    found = cost(layer, (1, 1, 20))
    assert found.rows[0].texts["field"] == said


def test_windows_behind_each_other():
    net = nn.Sequential(nn.Conv1d(1, 1, 3, 2, 1), nn.Conv1d(1, 1, 3, 3, 2, 2), nn.Conv1d(1, 1, 2, 2))
    assert [row.texts["field"] for row in cost(net, (1, 1, 60)).leaves] == [
        "1 + (3 − 1)·1 = 3, stride 1·2 = 2, offset 0 − 1·1 = −1",
        "3 + (3 − 1)·2·2 = 11, stride 2·3 = 6, offset −1 − 2·2 = −5",
        "11 + (2 − 1)·6 = 17, stride 6·2 = 12, offset −5 − 0·6 = −5",
    ]


def test_pools():
    net = nn.Sequential(nn.MaxPool2d(4), nn.AvgPool2d(3, 1, 1))
    assert [row.texts["field"] for row in cost(net, (1, 1, 30, 30)).leaves] == [
        "1 + (4 − 1)·1 = 4, stride 1·4 = 4, offset 0 − 0·1 = 0",
        "4 + (3 − 1)·4 = 12, stride 4·1 = 4, offset 0 − 1·4 = −4",
    ]


def sizes(f):
    row = cost(nn.Sequential(nn.Conv2d(1, 4, (3, 2)), Do(f)), (1, 1, 10, 9))["1"]
    return [seen.size for seen in row.seen], [seen.along is not None for seen in row.seen]


@pytest.mark.parametrize(
    ("f", "known", "in_order"),
    [
        (lambda x: torch.cat([x, x], 2), [3, 2], [False, True]),
        (lambda x: x.flip(2), [3, 2], [False, True]),
        (lambda x: x.chunk(2, 3)[0], [3, 2], [True, False]),
        (lambda x: x.repeat(1, 1, 1, 2), [3, 2], [True, False]),
        # a pool of single pixels changes nothing, whatever the order
        (lambda x: F.avg_pool2d(x.flip(2), 1, 1), [3, 2], [False, True]),
        # of other axes than the pool's
        (lambda x: F.avg_pool1d(x[0, 0], 2).flip(0), [3, 3], [False, True]),
    ],
)
def test_a_size_stays_known_where_the_order_is_lost(f, known, in_order):
    assert sizes(f) == (known, in_order)


@pytest.mark.parametrize(
    ("f", "macs", "said"),
    [
        (lambda x: x[:1] @ torch.empty(3, 5, device=x.device), 15, "3·5 = 15"),
        (lambda x: x[:2] @ torch.empty(3, 5, device=x.device), 30, "2·(3·5) = 30"),
        (lambda x: x[:3] @ torch.empty(3, 5, device=x.device), 45, "3·(3·5) = 45"),
        (lambda x: torch.dot(x[0], x[1]), 3, "3"),
        (lambda x: torch.bmm(x[None], torch.empty(1, 3, 5, device=x.device)), 60, "(4·3·5) = 60"),
    ],
)
def test_products_in_words(f, macs, said):
    found = cost(Do(f), (4, 3))
    assert found.macs == macs
    assert [row.texts["macs"] for row in found.leaves if row.macs] == [said]


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ((2, 3, 4), (6, 4), [([0, 1], [0]), ([2], [1])]),
        ((6, 4), (2, 3, 4), [([0], [0, 1]), ([1], [2])]),
        ((2, 3), (3, 2), [([0, 1], [0, 1])]),
        ((2, 3, 1), (2, 3), [([0], [0]), ([1], [1]), ([2], [])]),
        ((2, 3), (2, 3, 1), [([0], [0]), ([1], [1]), ([], [2])]),
        ((3, 0), (0,), [([0, 1], [0])]),
        ((), (1,), [([], [0])]),
        ((), (), []),
    ],
)
def test_axes_in_the_least_groups_of_equal_size(old, new, found):
    assert list(groups(old, new)) == found
