"""Receptive fields: the published ones, the algebra, and odd networks against the gradient's bounding box."""

from dataclasses import replace
from fractions import Fraction

import instruments_networks as mine
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from underhood.instruments.cost import cost
from underhood.instruments.cost.receptive_field import Along, stacked
from underhood.instruments.cost.verify import boxes, boxes_table

# layer: field, stride; from the papers and from Araujo, Norris & Sim 2019
PUBLISHED = {
    "vgg16": {"4": (6, 2), "9": (16, 4), "16": (44, 8), "23": (100, 16), "30": (212, 32)},
    "alexnet": {"3": (19, 8), "7": (67, 16), "14": (195, 32)},
    "resnet50-v1": {"6": (35, 4), "10": (99, 8), "16": (291, 16), "19": (483, 32)},
    "resnet50": {"19": (427, 32)},
    "resnet20": {"11": (81, 4)},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_fields(name):
    found = cost(name, depth=0)
    rows = {row["layer"]: row for row in found.layers.rows}
    assert {layer: (rows[layer]["field"], rows[layer]["jump"]) for layer in PUBLISHED[name]} == PUBLISHED[name]


def test_offsets_are_where_the_first_field_begins():
    rows = {row["layer"]: row["offset"] for row in cost("vgg16").layers.rows if "offset" in row}
    assert (rows["0"], rows["2"], rows["30"]) == (-1, -2, -90)
    assert cost("alexnet")["14"].seen[0].along.at(0) == (-64, 130)


@given(st.integers(1, 9), st.integers(1, 9))
def test_a_stack_sees_what_one_large_filter_sees(layers, kernel):
    along = Along()
    for _ in range(layers):
        along = along.window(kernel)
    assert along == Along().window(layers * kernel - layers + 1)
    assert along.size == stacked(layers, kernel)


def test_three_of_five_by_five():
    assert stacked(3, 5) == 13


windows = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.integers(1, 2))


@given(st.lists(windows, max_size=4))
def test_windows_against_the_definition(chain):
    """The set of pixels, worked out position by position, lies between `at`'s ends and reaches both."""
    along, sees = Along(), lambda position: {position}
    for kernel, stride, padding, dilation in chain:
        along = along.window(kernel, stride, padding, dilation)

        def sees(position, sees=sees, k=kernel, s=stride, p=padding, d=dilation):
            return set().union(*(sees(position * s - p + i * d) for i in range(k)))

    for position in (-2, 0, 1, 5):
        assert along.at(position) == (min(sees(position)), max(sees(position)))


@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.integers(1, 2), st.integers(1, 3))
def test_transposed_windows_against_the_definition(kernel, stride, padding, dilation, before):
    start = Along().window(before, 1, 0)
    along = start.spread(kernel, stride, padding, dilation)
    sources = {
        o: [(o + padding - k * dilation) // stride for k in range(kernel) if (o + padding - k * dilation) % stride == 0]
        for o in range(3 * stride)
    }
    if along is None:
        assert not all(sources.values())
        return
    for o, inputs in sources.items():
        assert along.at(o) == (min(inputs), max(inputs) + before - 1)


def test_upsampling_repeats_a_pattern_and_pooling_undoes_it():
    start = Along().window(3, 2, 1)
    big = start.enlarged(2)
    assert (big.size, big.jump) == (3, 1)
    assert [big.at(i) for i in range(4)] == [(-1, 1), (-1, 1), (1, 3), (1, 3)]
    assert big.window(2, 2) == start
    assert start.enlarged(4).jump == Fraction(1, 2)


def test_branches_of_different_speed_have_no_common_field():
    assert Along().window(1, 2).union(Along()) is None
    assert Along().window(3, 1, 1).union(Along()) == Along().window(3, 1, 1)


class Branches(nn.Module):
    """Inception by hand, a skip around it, a dilated branch, reflection padding."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, stride=2, padding=1)
        self.wide = nn.Conv2d(4, 4, (1, 7), padding=(0, 3))
        self.tall = nn.Conv2d(4, 4, (5, 1), padding=(2, 0))
        self.holes = nn.Conv2d(4, 4, 3, padding=3, dilation=3)
        self.mirror = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(4, 4, 3))
        self.join = nn.Conv2d(16, 4, 1)
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.last = nn.Conv2d(4, 3, 3)

    def forward(self, x):
        x = self.stem(x)
        y = torch_cat(self.wide(x), self.tall(x), self.holes(x), self.mirror(x))
        return self.last(self.pool(x + self.join(y)))


def torch_cat(*parts):
    import torch

    return torch.cat(parts, 1)


class Interpolated(nn.Module):
    """Bilinear and nearest enlargement between convolutions, a crop and a transposed convolution that overlaps."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(1, 2, 3, stride=2, padding=1)
        self.b = nn.Conv2d(2, 2, 3, padding=1)
        self.up = nn.ConvTranspose2d(2, 2, 4, stride=2, padding=1)
        self.c = nn.Conv2d(2, 2, 3)
        self.d = nn.Conv2d(2, 1, 3, stride=2)

    def forward(self, x):
        x = self.b(F.interpolate(self.a(x), scale_factor=2, mode="bilinear", align_corners=False))
        x = self.c(self.up(x)[:, :, 1:-2, 2:])
        return self.d(x)


class Shuffled(nn.Module):
    """Channels shuffled in groups, pixels shuffled into space, slices of every other pixel."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(1, 8, 3, padding=1, stride=2)
        self.b = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.c = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x):
        x = self.b(self.a(x))
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        return self.c(F.pixel_shuffle(x, 2))[:, :, ::2, ::2]


ODD = {
    "branches": (Branches, (1, 2, 33, 47)),
    "interpolated": (Interpolated, (1, 1, 20, 24)),
    "shuffled": (Shuffled, (1, 1, 24, 24)),
    "unet": (mine.UNet, (1, 1, 32, 32)),
    "one_dimension": (
        lambda: nn.Sequential(nn.Conv1d(1, 2, 5, 2, 1), nn.ReLU(), nn.Conv1d(2, 2, 3, dilation=4)),
        (1, 1, 90),
    ),
    "three_dimensions": (
        lambda: nn.Sequential(nn.Conv3d(1, 2, 3, padding=1), nn.Conv3d(2, 1, (1, 3, 5))),
        (1, 1, 5, 7, 9),
    ),
    "pools_with_holes": (
        lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(3, 2, 1, dilation=2), nn.Conv2d(2, 1, 2)),
        (1, 1, 17, 19),
    ),
    "same_padding": (
        lambda: nn.Sequential(nn.Conv2d(1, 2, 4, padding="same"), nn.Conv2d(2, 1, 2, padding="same")),
        (1, 1, 9, 9),
    ),
    "local_response": (
        lambda: nn.Sequential(nn.Conv2d(1, 6, 3), nn.LocalResponseNorm(3), nn.Conv2d(6, 1, 3)),
        (1, 1, 9, 9),
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_networks_against_the_gradient(name):
    found = cost(*ODD[name])
    checked = boxes(found)
    assert checked
    assert all(box.agrees for box in checked), boxes_table(name, checked)
    assert not found.lost


@pytest.mark.parametrize("name", ["listing1", "simple-nn", "resnet20", "inception-naive"])
def test_networks_of_ours_against_the_gradient(name):
    found = cost(name)
    checked = boxes(found)
    assert len(checked) >= 4
    assert all(box.agrees for box in checked), boxes_table(name, checked)


def test_the_oracle_notices_a_wrong_field(monkeypatch):
    """A padding forgotten, a kernel off by one: the gradient's box has to say so."""
    right = Along.window
    found = []
    for wrong in (
        lambda self, k, s=1, p=0, d=1: right(self, k, s, 0, d),
        lambda self, k, s=1, p=0, d=1: right(self, k + 1, s, p, d),
        lambda self, k, s=1, p=0, d=1: right(self, k, 1, p, d),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(Along, "window", wrong)
            found.append(cost(*ODD["branches"]))
    assert all(not all(box.agrees for box in boxes(one)) for one in found)


def field_of(found, name):
    row = next(row for row in found.layers.rows if row["layer"] == name)
    return row.get("field")


def test_attention_sees_the_whole_image():
    class Patches(nn.Module):
        """A small vision transformer."""

        def __init__(self):
            super().__init__()
            self.patch = nn.Conv2d(3, 16, 8, stride=8)
            self.norm = nn.Linear(16, 16)
            self.attention = mine.SelfAttention()
            self.head = nn.Linear(16, 5)

        def forward(self, x):
            x = self.norm(self.patch(x).flatten(2).transpose(1, 2))
            return self.head(self.attention(x).mean(1))

    found = cost(Patches, (1, 3, 32, 32))
    assert field_of(found, "patch") == field_of(found, "norm") == 8
    assert field_of(found, "head") == "all"
    assert field_of(found, "attention") == "all"


def test_squeeze_and_excite_sees_the_whole_image():
    class Excite(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3, padding=1)
            self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1), nn.Sigmoid())
            self.after = nn.Conv2d(8, 4, 3, padding=1)

        def forward(self, x):
            x = self.conv(x)
            return self.after(x * self.gate(x))

    found = cost(Excite, (1, 3, 16, 16))
    assert (field_of(found, "conv"), field_of(found, "after")) == (3, "all")


def test_an_unknown_operation_loses_the_field_and_is_named():
    class Sorted(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3)

        def forward(self, x):
            return self.conv(x).sort(-1)[0]

    found = cost(Sorted, (1, 1, 8, 8))
    assert field_of(found, "conv") == 3
    assert field_of(found, "sort") is None
    assert found.lost == ("sort",)
    assert any("Field not followed through: sort" in line for line in found.layers.foot)


class ChannelsLast(nn.Module):
    """A Linear on (B, H, W, C) between two convolutions, as ConvNeXt has it."""

    def __init__(self):
        super().__init__()
        self.before, self.after = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 2, 3, stride=2)
        self.mix = nn.Linear(6, 6)

    def forward(self, x):
        x = self.before(x).permute(0, 2, 3, 1)
        return self.after(self.mix(x).permute(0, 3, 1, 2))


def test_a_linear_on_the_last_axis_keeps_the_field():
    found = cost(ChannelsLast, (2, 3, 9, 11))
    assert (field_of(found, "mix"), field_of(found, "after")) == (3, 5)
    assert found.lost == ()
    checked = boxes(found)
    assert {box.layer for box in checked} >= {"after"}
    assert all(box.agrees for box in checked), boxes_table("channels last", checked)


def test_attention_over_patches_sees_the_whole_image():
    class Patches(nn.Module):
        def __init__(self):
            super().__init__()
            self.cut = nn.Conv2d(3, 8, 4, stride=4)
            self.token = nn.Parameter(torch.zeros(1, 1, 8))
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
            self.head = nn.Linear(8, 3)

        def forward(self, x):
            x = self.cut(x).flatten(2).transpose(1, 2)
            x = torch.cat([self.token.expand(len(x), -1, -1), x], dim=1)
            x = x + self.attention(x, x, x)[0]
            return self.head(x[:, 0])

    found = cost(Patches, (2, 3, 16, 16))
    assert (field_of(found, "cut"), field_of(found, "head")) == (4, "all")
    assert found.lost == ()


def test_the_operation_that_lost_the_order_is_blamed_not_the_next_convolution():
    class Rolled(nn.Module):
        def __init__(self):
            super().__init__()
            self.before, self.after = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 1, 3)

        def forward(self, x):
            return self.after(torch.roll(self.before(x), 1, dims=-1))

    found = cost(Rolled, (1, 1, 8, 8))
    assert found.lost == ("roll",)
    assert [seen.size for seen in found["after"].seen] == [5, None]


CUTS = [(4, 9), (9, 4), (36,), (2, 18), (3, 12), (12, 3), (3, 2, 6), (2, 3, 6), (6, 2, 3), (6, 6), (2, 9, 2)]


@pytest.mark.parametrize("shape", CUTS)
def test_a_reshaped_image_moves_along_the_axes_that_its_rows_and_columns_rest_on(shape):
    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.after = nn.Conv2d(1, 2, 3, padding=1), nn.ReLU()

        def forward(self, x):
            return self.after(self.conv(x).reshape(1, 2, *shape))

    found = cost(Cut, (1, 1, 6, 6))
    assert field_of(found, "after") == 3
    for seen, index in zip(found["after"].seen, np.indices((6, 6)), strict=True):
        cut = index.reshape(shape)
        rests = [d for d in range(cut.ndim) if np.diff(cut, axis=d).any()]
        assert list(seen.dims) == [2 + d for d in rests]
        assert (seen.along is not None) == (len(rests) == 1 and shape[rests[0]] == 6)


def test_writing_through_a_view_is_not_guessed():
    class Written(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3, padding=1)
            self.after = nn.Conv2d(2, 1, 1)

        def forward(self, x):
            y = self.conv(x)
            y[:, 0] = self.conv(y[:, :1])[:, 0]
            return self.after(y)

    found = cost(Written, (1, 1, 8, 8))
    assert found["after"].seen[0].size is None


def test_axes_that_differ_are_both_shown():
    found = cost(lambda: nn.Conv2d(1, 1, (3, 5), stride=(1, 2), padding=(1, 0)), (1, 1, 9, 9))
    row = found.layers.rows[1]
    assert (row["field"], row["jump"], row["offset"]) == ("3×5", "1×2", "-1×0")


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.tuples(st.sampled_from("cptu"), st.integers(1, 4), st.integers(1, 2), st.integers(0, 1)),
        min_size=1,
        max_size=4,
    )
)
def test_random_chains_against_the_gradient(chain):
    layers = []
    for kind, kernel, stride, padding in chain:
        padding = min(padding, kernel // 2)
        if kind == "c":
            layers.append(nn.Conv2d(1, 1, kernel, stride, padding))
        elif kind == "p":
            layers.append(nn.AvgPool2d(kernel, stride, padding))
        elif kind == "t":
            layers.append(nn.ConvTranspose2d(1, 1, kernel + stride, stride, padding))
        else:
            layers.append(nn.Upsample(scale_factor=stride, mode="nearest"))
    found = cost(nn.Sequential(*layers), (1, 1, 120, 120))  # four kernels of 4 under strides of 2 see 46
    checked = boxes(found)
    assert all(box.agrees for box in checked), boxes_table("chain", checked)


def test_padding_on_the_way_may_hide_pixels_at_the_border():
    kernels = ((1, 0), (3, 0), (3, 1), (3, 0))
    chain = nn.Sequential(*(nn.Conv2d(1, 1, kernel, 2, padding) for kernel, padding in kernels))
    last = boxes(cost(chain, (1, 1, 40, 40)))[-1]
    assert (last.expected[0], last.found[0]) == ((12, 39), (12, 36))
    assert last.agrees
    assert not replace(last, found=((13, 36), (12, 36))).agrees
    assert not replace(last, beyond=()).agrees


def test_branches_of_one_speed_and_of_different_patterns_meet():
    """Doubled by repetition after a stride of 2, and as it was: both move a pixel a position on the average."""
    doubled, straight = Along((0, 0), (1, 1), 2), Along()
    met = doubled.union(straight)
    assert [met.at(i) for i in range(4)] == [(0, 1), (0, 1), (2, 3), (2, 3)]
    assert doubled.union(Along((0,), (0,), 2)) is None  # two pixels a position
