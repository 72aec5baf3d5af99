"""Every network against published figures: learnt numbers, weights, multiply–adds, shapes."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from underhood.networks import NETWORKS
from underhood.networks.blocks import blocks

# name: parameters, tensors of two dimensions and more, multiply–adds of one image
PUBLISHED = {
    "mlp": (203_530, 203_264, 203_264),
    "listing1": (21_840, 21_750, 480_500),
    "simple-conv-net": (1_446_030, 1_445_500, 1_733_000),
    "simple-nn": (82_030, 81_792, 716_328),
    "speed-net": (1_154_048, 1_152_256, 58_651_024),  # worked by hand
    "resnet20": (269_722, 268_336, 40_551_040),
    "resnet32": (464_154, 461_872, 68_862_592),
    "resnet44": (658_586, 655_408, 97_174_144),
    "resnet56": (853_018, 848_944, 125_485_696),
    "resnet110": (1_727_962, 1_719_856, 252_887_680),
    "densenet40": (1_019_722, 1_001_616, 264_812_928),  # the multiply–adds of both are sums by hand
    "densenet100-bc": (769_162, 745_164, 287_929_692),
    "resnet18": (11_689_512, 11_678_912, 1_814_073_344),
    "resnet18-cifar": (11_173_962, 11_164_352, 555_422_720),
    "resnet50": (25_557_032, 25_502_912, 4_089_184_256),
    "resnet50-v1": (25_557_032, 25_502_912, 3_857_973_248),
    "alexnet": (60_965_224, 60_954_656, 724_406_816),
    "alexnet-ungrouped": (62_378_344, 62_367_776, 1_135_256_096),
    "alexnet-today": (61_100_840, 61_090_496, 714_188_480),
    "vgg11": (132_863_336, 132_851_392, 7_609_090_048),
    "vgg11-bn": (132_868_840, 132_851_392, 7_609_090_048),
    "vgg13": (133_047_848, 133_035_712, 11_308_466_176),
    "vgg13-bn": (133_053_736, 133_035_712, 11_308_466_176),
    "vgg16": (138_357_544, 138_344_128, 15_470_264_320),
    "vgg16-bn": (138_365_992, 138_344_128, 15_470_264_320),
    "vgg19": (143_667_240, 143_652_544, 19_632_062_464),
    "vgg19-bn": (143_678_248, 143_652_544, 19_632_062_464),
    "inception-naive": (1_089_952, 1_089_536, 1_115_684_864),
    "inception-reduced": (346_720, 346_112, 354_418_688),
    "googlenet": (6_998_552, 6_990_272, 1_582_671_872),
    "squeezenet": (1_248_424, 1_244_448, 832_667_936),
    "squeezenet-1.1": (1_235_496, 1_231_552, 387_747_520),
    "mobilenet": (4_231_976, 4_209_088, 568_740_352),
}
OUTPUT = {"inception-naive": (672, 32, 32), "inception-reduced": (480, 32, 32)}


def on_meta(name, **arguments):
    with torch.device("meta"):
        return NETWORKS[name].build(torch.nn, **arguments).eval()


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def test_every_network_has_a_published_row():
    # others may add networks; those of this table have to stay
    assert PUBLISHED.keys() <= NETWORKS.keys()


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_figures(name):
    network = on_meta(name)
    x = torch.empty(1, *NETWORKS[name].input, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        y = network(x)
    weights = sum(p.numel() for p in network.parameters() if p.dim() > 1)
    assert (parameters(network), weights, counter.get_total_flops() // 2) == PUBLISHED[name]
    classes = 1000 if NETWORKS[name].input[-1] > 200 else 10
    assert tuple(y.shape[1:]) == OUTPUT.get(name, (classes,))


@pytest.mark.parametrize("name", ["listing1", "simple-conv-net", "simple-nn", "resnet20", "inception-reduced"])
def test_small_networks_compute_and_learn(name):
    torch.manual_seed(0)
    network = NETWORKS[name].build(torch.nn)
    x = torch.randn(2, *NETWORKS[name].input)
    y = network(x)
    y.backward(torch.randn_like(y))
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


@pytest.mark.parametrize("layers", [20, 32, 44, 56, 110])
def test_shortcut_b_adds_its_convolutions(layers):
    # (16·32 + 2·32) + (32·64 + 2·64)
    assert parameters(on_meta(f"resnet{layers}", shortcut="B")) == PUBLISHED[f"resnet{layers}"][0] + 2752


def test_arguments_change_what_they_say():
    assert parameters(on_meta("simple-nn", batch_norm=True)) == 82_030 + 2 * (8 + 16)
    assert any(isinstance(m, torch.nn.SiLU) for m in on_meta("simple-nn", activation="SiLU").modules())
    assert parameters(on_meta("listing1", classes=100)) == 21_840 + 90 * 51
    assert parameters(on_meta("densenet100-bc", depth=190, growth=40)) == 25_624_430  # the paper: 25.6 million
    assert parameters(on_meta("mobilenet", width=0.5)) == 1_331_592  # the paper: 1.3 million
    assert parameters(on_meta("vgg16", image=32, hidden=512, classes=10)) == 14_714_688 + 262_656 * 2 + 5_130
    assert isinstance(on_meta("simple-conv-net", softmax=True)[-1], torch.nn.Softmax)


@pytest.mark.parametrize(
    ("name", "arguments", "word"),
    [
        ("resnet20", {"depth": 21}, "6n \\+ 2"),
        ("resnet20", {"shortcut": "C"}, '"A"'),
        ("resnet50", {"version": "v2"}, '"v1.5"'),
        ("densenet40", {"depth": 41}, "3n \\+ 4"),
        ("densenet100-bc", {"depth": 99}, "6n \\+ 4"),
        ("vgg16", {"depth": 17}, "11, 13, 16, 19"),
        ("squeezenet", {"version": "2"}, '"1.1"'),
    ],
)
def test_wrong_arguments_name_the_right_ones(name, arguments, word):
    with pytest.raises(ValueError, match=word):
        on_meta(name, **arguments)


def test_residual_is_the_sum_of_body_and_shortcut():
    nn = torch.nn
    body, shortcut = nn.Linear(3, 3), nn.Linear(3, 3)
    x = torch.randn(2, 3)
    Residual = blocks(nn).Residual
    assert torch.equal(Residual(body)(x), body(x) + x)
    assert torch.equal(Residual(body, shortcut, nn.ReLU())(x), torch.relu(body(x) + shortcut(x)))


def test_concat_joins_channels_in_order():
    nn = torch.nn
    joined = blocks(nn).Concat(a=nn.Identity(), b=nn.Conv2d(3, 5, 1))
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(joined(x), torch.cat([x, joined.b(x)], 1))
    assert set(dict(joined.named_parameters())) == {"b.weight", "b.bias"}


def test_shortcut_a_takes_every_other_pixel_and_zeros():
    network = NETWORKS["resnet20"].build(torch.nn)
    around = next(m.shortcut for m in network.modules() if getattr(m, "shortcut", None) is not None)
    x = torch.randn(1, 16, 32, 32)
    z = around(x)
    assert torch.equal(z[:, 8:24], x[:, :, ::2, ::2])
    assert z.shape == (1, 32, 16, 16)
    assert not z[:, :8].any()
    assert not z[:, 24:].any()


def test_grouped_alexnet_halves_do_not_see_each_other():
    conv2 = NETWORKS["alexnet"].build(torch.nn)[4]
    x = torch.randn(1, 96, 27, 27)
    other = x.clone()
    other[:, 48:] = 0
    assert torch.equal(conv2(x)[:, :128], conv2(other)[:, :128])
    assert not torch.equal(conv2(x)[:, 128:], conv2(other)[:, 128:])


def test_mobilenet_spends_its_work_in_pointwise_convolutions():
    network = on_meta("mobilenet")
    x = torch.empty(1, 3, 224, 224, device="meta")
    share = []
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(
                lambda m, _, y: share.append((m.kernel_size == (1, 1), y.numel() * np.prod(m.weight.shape[1:])))
            )
    with torch.no_grad():
        network(x)
    pointwise = sum(macs for is_pointwise, macs in share if is_pointwise)
    assert pointwise / 568_740_352 == pytest.approx(0.9486, abs=5e-5)  # the paper, table 2
