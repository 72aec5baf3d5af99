"""Every layer beside PyTorch's of the same name and arguments, with the same weights.

In float64: outputs, the gradients of inputs and parameters under random cotangents, the buffers after two steps of
training and after `eval`; the keys of the state_dict and how it prints. A shape without the batch axis, where
PyTorch takes one, is a row of its own.
"""

import re

import numpy as np
import pytest
import torch

from tests.engine.nn.arguments import keeps_the_same, never_given
from underhood import engine
from underhood.engine import nn

LAYERS = [
    ("Conv2d(3, 4, 3)", (2, 3, 6, 5)),
    ("Conv2d(3, 4, 3)", (3, 6, 5)),
    ("Conv2d(4, 6, (3, 2), stride=(2, 1), padding=1, dilation=(1, 2), groups=2, bias=False)", (2, 4, 7, 6)),
    ("Conv2d(2, 3, 3, padding='same', padding_mode='reflect')", (2, 2, 6, 5)),
    ("Conv2d(2, 3, (3, 4), padding='same', padding_mode='circular')", (2, 2, 6, 5)),
    ("Conv2d(2, 3, 3, padding=(1, 2), padding_mode='replicate')", (2, 6, 5)),
    ("Conv2d(2, 3, 3, padding='valid')", (0, 2, 6, 5)),
    ("Conv1d(3, 4, 3, stride=2, padding=1)", (2, 3, 7)),
    ("Conv1d(4, 4, 2, groups=4, dilation=3, padding='same', padding_mode='reflect')", (4, 7)),
    ("Conv1d(3, 4, 3, bias=False)", (2, 3, 7)),
    ("ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1)", (2, 3, 4, 5)),
    ("ConvTranspose2d(4, 2, (2, 3), groups=2, dilation=(1, 2), bias=False)", (4, 4, 5)),
    ("ConvTranspose1d(3, 2, 3, stride=2)", (2, 3, 4)),
    ("ConvTranspose1d(3, 2, 3, stride=3, output_padding=2)", (3, 4)),
    ("ConvTranspose1d(4, 2, 3, padding=1, groups=2, bias=False, dilation=2, padding_mode='zeros')", (2, 4, 5)),
    ("ConvTranspose2d(2, 3, 3, padding_mode='zeros')", (2, 4, 5)),
    ("MaxPool2d(2)", (2, 3, 6, 5)),
    ("MaxPool2d((3, 2), stride=2, padding=1, dilation=(1, 2), ceil_mode=True)", (3, 7, 6)),
    ("MaxPool1d(3, stride=2, padding=1)", (2, 3, 7)),
    ("MaxPool1d(2, ceil_mode=True)", (3, 7)),
    ("MaxPool1d(2, dilation=2)", (3, 7)),
    ("AvgPool2d(2)", (2, 3, 6, 5)),
    ("AvgPool2d((3, 2), 2, 1, ceil_mode=True, count_include_pad=False)", (3, 7, 6)),
    ("AvgPool2d(2, divisor_override=3)", (2, 3, 6, 6)),
    ("AvgPool1d(3, 2, 1, count_include_pad=False)", (2, 3, 7)),
    ("AvgPool1d(3)", (3, 7)),
    ("AvgPool1d(3, 2, ceil_mode=True)", (3, 8)),
    ("AdaptiveAvgPool2d(1)", (2, 3, 6, 5)),
    ("AdaptiveAvgPool2d((None, 3))", (3, 6, 5)),
    ("AdaptiveAvgPool1d(3)", (2, 3, 7)),
    ("AdaptiveMaxPool2d((2, 3))", (2, 3, 6, 5)),
    ("AdaptiveMaxPool1d(4)", (3, 7)),
    ("BatchNorm2d(3)", (4, 3, 2, 5)),
    ("BatchNorm2d(3, eps=0.1, momentum=0.3, affine=False)", (4, 3, 2, 5)),
    ("BatchNorm2d(3, momentum=None)", (4, 3, 2, 5)),
    ("BatchNorm2d(3, track_running_stats=False)", (4, 3, 2, 5)),
    ("BatchNorm2d(3, bias=False)", (4, 3, 2, 5)),
    ("BatchNorm1d(3)", (4, 3)),
    ("BatchNorm1d(3)", (4, 3, 5)),
    ("BatchNorm1d(3, eps=0.1, momentum=0.3, affine=False)", (4, 3)),
    ("BatchNorm1d(3, track_running_stats=False, bias=False)", (4, 3, 5)),
    ("LayerNorm(5)", (2, 3, 5)),
    ("LayerNorm((3, 5), eps=0.1, bias=False)", (2, 3, 5)),
    ("LayerNorm([3, 5], elementwise_affine=False)", (2, 3, 5)),
    ("GroupNorm(2, 4)", (2, 4, 3, 5)),
    ("GroupNorm(4, 4, affine=False)", (2, 4, 5)),
    ("GroupNorm(2, 4, eps=0.1, bias=False)", (2, 4, 5)),
    ("InstanceNorm2d(3)", (2, 3, 4, 5)),
    ("InstanceNorm2d(3, affine=True, track_running_stats=True)", (2, 3, 4, 5)),
    ("InstanceNorm2d(3, affine=True, track_running_stats=True, momentum=0.3)", (3, 4, 5)),
    ("InstanceNorm1d(3, affine=True)", (2, 3, 5)),
    ("InstanceNorm1d(3)", (3, 5)),
    ("InstanceNorm1d(3, eps=0.1, momentum=0.3, affine=True, track_running_stats=True, bias=False)", (2, 3, 5)),
    ("InstanceNorm2d(3, eps=0.1, affine=True, bias=False)", (3, 4, 5)),
    ("RMSNorm(5)", (2, 3, 5)),
    ("RMSNorm((3, 5), eps=0.1, elementwise_affine=False)", (2, 3, 5)),
    ("LocalResponseNorm(3, alpha=0.5, k=2.0)", (2, 5, 3, 4)),
    ("LocalResponseNorm(3, beta=0.5)", (2, 5, 3, 4)),
    ("ZeroPad1d((1, 2))", (2, 3, 4)),
    ("ZeroPad2d((1, 2, 0, -1))", (2, 3, 4, 5)),
    ("ConstantPad1d((1, 2), 1.5)", (3, 4)),
    ("ConstantPad2d(1, -2.0)", (2, 3, 4, 5)),
    ("ReflectionPad1d((1, 3))", (2, 3, 4)),
    ("ReflectionPad2d((1, 2, 3, 0))", (3, 4, 5)),
    ("ReplicationPad1d(2)", (3, 4)),
    ("ReplicationPad2d((1, 2, 3, 4))", (2, 3, 4, 5)),
    ("CircularPad1d((1, 3))", (2, 3, 4)),
    ("CircularPad2d((1, 2, 3, 4))", (2, 3, 4, 5)),
    ("Unfold((3, 2), dilation=2, padding=1, stride=2)", (2, 3, 7, 6)),
    ("Unfold(2)", (3, 4, 5)),
    ("Fold((4, 5), (2, 3), padding=1)", (2, 12, 25)),
    ("Fold(3, 2)", (8, 4)),
    ("Fold(5, 2, dilation=2, stride=2)", (2, 8, 4)),
    ("Upsample(scale_factor=2)", (2, 3, 4)),
    ("Upsample(scale_factor=(1.5, 2.0))", (2, 3, 4, 5)),
    ("Upsample((7, 3), mode='bilinear', align_corners=True)", (2, 3, 4, 5)),
    ("Upsample(scale_factor=2, mode='bilinear')", (2, 3, 4, 5)),
    ("Upsample(scale_factor=1.7, mode='bilinear', recompute_scale_factor=True)", (2, 3, 4, 5)),
    ("UpsamplingNearest2d(scale_factor=3)", (2, 3, 4, 5)),
    ("UpsamplingNearest2d(size=(5, 6))", (2, 3, 4, 5)),
    ("UpsamplingBilinear2d(scale_factor=2)", (2, 3, 4, 3)),
    ("UpsamplingBilinear2d(size=(5, 6))", (2, 3, 4, 3)),
    ("PixelShuffle(2)", (2, 8, 3, 4)),
    ("PixelShuffle(3)", (9, 2, 2)),
    ("PixelUnshuffle(2)", (2, 3, 4, 6)),
    ("Unflatten(1, (2, 3))", (4, 6, 2)),
    ("Identity(54, unused=0.1)", (2, 3)),
    ("Dropout(0.0)", (2, 3)),
    ("Dropout1d(1.0)", (2, 3, 4)),
    ("Dropout2d(1.0)", (2, 3, 4, 5)),
    ("Linear(3, 4)", (2, 5, 3)),
    ("Linear(3, 4, bias=False)", (3,)),
    ("Flatten()", (2, 5, 3)),
    ("Flatten(2, -2)", (2, 3, 4, 2, 3)),
]


OF_THEIR_OWN = {"return_indices"}  # tested below


def build(layer):
    """Ours and PyTorch's, in float64, with PyTorch's initial weights."""
    reference = eval(f"torch.nn.{layer}").double()
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(parameter.numel()))
    ours = eval(f"nn.{layer}").double()
    ours.load_state_dict(reference.state_dict())
    return ours, reference


def same(ours, expected):
    np.testing.assert_allclose(ours.detach().numpy(), expected.detach().numpy(), rtol=1e-9, atol=1e-11)


def same_step(ours, reference, x):
    """One forward and backward pass of both."""
    cotangent = None
    x_ours, x_reference = engine.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    z, expected = ours(x_ours), reference(x_reference)
    same(z, expected)
    cotangent = np.random.default_rng(2).normal(size=tuple(expected.shape))
    z.backward(engine.tensor(cotangent))
    expected.backward(torch.tensor(cotangent))
    same(x_ours.grad, x_reference.grad)
    for (name, p), (reference_name, q) in zip(ours.named_parameters(), reference.named_parameters(), strict=True):
        assert name == reference_name
        same(p.grad, q.grad)


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=[f"{name}-{len(shape)}D" for name, shape in LAYERS])
def test_a_layer_is_pytorchs(layer, shape):
    rng = np.random.default_rng(1)
    ours, reference = build(layer)
    keeps_the_same(ours, reference)
    same_step(ours, reference, rng.normal(1, 2, shape))
    same_step(ours, reference, rng.normal(1, 2, shape))
    ours.eval(), reference.eval()
    same_step(ours, reference, rng.normal(1, 2, shape))
    state, expected = ours.state_dict(), reference.state_dict()
    assert list(state) == list(expected)
    for key, value in expected.items():
        assert str(state[key].dtype).removeprefix("torch.") == str(value.dtype).removeprefix("torch.")
        same(state[key], value)


@pytest.mark.parametrize("layer", sorted({name for name, _ in LAYERS}))
def test_a_layer_prints_as_pytorchs(layer):
    printed, expected = repr(eval(f"nn.{layer}")), repr(eval(f"torch.nn.{layer}"))
    for word in re.findall(r"[\w.]+=", printed):  # an older PyTorch does not print every word
        if word not in expected:
            printed = re.sub(rf", {word}\w+", "", printed)
    assert printed == expected


def test_the_layers_of_the_table_are_all_there_are():
    """A layer added to the pages of this folder without a row here fails."""
    homes = ("batch_norm", "conv", "fold", "instance_norm", "normalization", "padding", "pooling", "upsampling")
    there = {
        name
        for name in nn.__all__
        if getattr(getattr(nn, name), "__module__", "").removeprefix("underhood.engine.nn.") in homes
    }
    assert there <= {name.split("(")[0] for name, _ in LAYERS}
    assert len(there) >= 32
    left = {name: never_given([row for row, _ in LAYERS], name) - OF_THEIR_OWN for name in there}
    assert {name: arguments for name, arguments in left.items() if arguments} == {}


@pytest.mark.parametrize("layer", ["MaxPool2d(2)", "MaxPool2d(3, 2, 1)", "AdaptiveMaxPool2d(2)"])
@pytest.mark.parametrize("shape", [(2, 3, 5, 6), (3, 5, 6)])
def test_pools_return_where_the_maximum_was(layer, shape):
    arguments = layer[:-1] + ", return_indices=True)"
    x = np.random.default_rng(0).integers(0, 4, shape).astype(float)
    z, k = eval(f"nn.{arguments}")(engine.tensor(x))
    expected, where = eval(f"torch.nn.{arguments}")(torch.tensor(x))
    np.testing.assert_array_equal(z.numpy(), expected.numpy())
    np.testing.assert_array_equal(k.numpy(), where.numpy())


def test_a_transposed_convolution_goes_back_to_the_size_asked_for():
    ours, reference = build("ConvTranspose2d(2, 3, 3, stride=2, padding=1)")
    x = np.random.default_rng(0).normal(size=(1, 2, 4, 4))
    same(ours(engine.tensor(x), output_size=(8, 7)), reference(torch.tensor(x), output_size=(8, 7)))
    with pytest.raises(ValueError, match=r"requested an output size of \[9, 7\].*from \[7, 7\] to \[8, 8\]"):
        ours(engine.tensor(x), output_size=(9, 7))


@pytest.mark.parametrize("more", ["padding_idx=-2", "max_norm=1.5, norm_type=1.0", "scale_grad_by_freq=True"])
def test_embedding_looks_rows_up(more):
    layer = f"Embedding(6, 4, {more})"
    ours, reference = build(layer)
    keeps_the_same(ours, reference)
    index = np.array([[0, 4, 2], [2, 2, 5]])
    z, expected = ours(engine.tensor(index)), reference(torch.tensor(index))
    same(z, expected)
    cotangent = np.random.default_rng(2).normal(size=z.shape)
    z.backward(engine.tensor(cotangent))
    expected.backward(torch.tensor(cotangent))
    same(ours.weight.grad, reference.weight.grad)
    assert repr(ours) == repr(reference)


def test_embedding_starts_with_a_row_of_zeros_and_takes_given_rows():
    own = nn.Embedding(5, 3, padding_idx=1)
    assert (own.weight.detach().numpy()[1] == 0).all()
    assert (own.weight.detach().numpy()[[0, 2, 3, 4]] != 0).all()
    rows = engine.tensor([[1.0, 2.0], [3.0, 4.0]])
    given = nn.Embedding.from_pretrained(rows)
    assert given(engine.tensor([1])).tolist() == [[3.0, 4.0]]
    assert not given.weight.requires_grad
    assert nn.Embedding.from_pretrained(rows, freeze=False).weight.requires_grad
    for frozen in (False, True):
        assert nn.Embedding(2, 2, _weight=rows, _freeze=frozen).weight.requires_grad is not frozen
        assert nn.Embedding(2, 2, _freeze=frozen).weight.requires_grad is not frozen
    with pytest.raises(NotImplementedError, match="sparse"):
        nn.Embedding(5, 3, sparse=True)


@pytest.mark.parametrize("layer", ["Bilinear(3, 4, 5)", "Bilinear(3, 4, 5, bias=False)"])
def test_bilinear_takes_two_inputs(layer):
    ours, reference = build(layer)
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 3)), rng.normal(size=(2, 4))
    z, expected = ours(engine.tensor(x), engine.tensor(y)), reference(torch.tensor(x), torch.tensor(y))
    same(z, expected)
    cotangent = rng.normal(size=z.shape)
    z.backward(engine.tensor(cotangent))
    expected.backward(torch.tensor(cotangent))
    same(ours.weight.grad, reference.weight.grad)
    if reference.bias is None:
        assert ours.bias is None
    else:
        same(ours.bias.grad, reference.bias.grad)
    assert repr(ours) == repr(reference)


@pytest.mark.parametrize(
    ("layer", "bound"),
    [
        ("Conv2d(4, 8, 5, groups=2)", 1 / np.sqrt(50)),
        ("ConvTranspose1d(6, 9, 4)", 1 / np.sqrt(36)),
        ("Bilinear(16, 3, 50)", 1 / 4),
        ("Linear(25, 40)", 1 / 5),
    ],
)
def test_first_weights_are_uniform_within_pytorchs_bound(layer, bound):
    engine.random.manual_seed(0)
    weight = eval(f"nn.{layer}").weight.detach().numpy()
    reference = eval(f"torch.nn.{layer}").weight.detach().numpy()
    assert np.abs(reference).max() <= bound
    assert 0.95 * bound < np.abs(weight).max() <= bound
    assert abs(weight.mean()) < 0.1 * bound


def test_norms_start_at_one_and_zero():
    for layer in (nn.BatchNorm2d(3), nn.GroupNorm(1, 3), nn.LayerNorm(3), nn.InstanceNorm1d(3, affine=True)):
        assert layer.weight.tolist() == [1, 1, 1]
        assert layer.bias.tolist() == [0, 0, 0]
    norm = nn.BatchNorm2d(3)
    assert norm.running_mean.tolist() == [0, 0, 0]
    assert norm.running_var.tolist() == [1, 1, 1]
    assert norm.num_batches_tracked.dtype == np.int64
    norm(engine.tensor(np.ones((2, 3, 2, 2), np.float32)))
    assert int(norm.num_batches_tracked) == 1
    norm.reset_running_stats()
    assert int(norm.num_batches_tracked) == 0


def test_batch_norm_moves_nothing_in_eval():
    norm = nn.BatchNorm2d(3).eval()
    norm(engine.tensor(np.random.default_rng(0).normal(size=(2, 3, 2, 2)).astype(np.float32)))
    assert norm.running_mean.tolist() == [0, 0, 0]
    assert int(norm.num_batches_tracked) == 0


BAD = [
    "Conv2d(3, 4, 3, groups=2)",
    "Conv2d(4, 3, 3, groups=2)",
    "Conv2d(3, 4, 3, groups=0)",
    "Conv2d(3, 4, 3, padding='full')",
    "Conv2d(3, 4, 3, padding='same', stride=2)",
    "Conv2d(3, 4, 3, padding_mode='wrap')",
    "ConvTranspose2d(3, 4, 3, padding_mode='reflect')",
    "GroupNorm(3, 4)",
    "Dropout(1.5)",
    "Embedding(3, 2, padding_idx=3)",
    "Bilinear(0, 1, 1)",
]


@pytest.mark.parametrize("layer", BAD)
def test_bad_arguments_are_refused_as_by_pytorch(layer):
    with pytest.raises(Exception, match=r".") as expected:
        eval(f"torch.nn.{layer}")
    with pytest.raises(expected.type, match=r"."):
        eval(f"nn.{layer}")


WRONG_AXES = [("BatchNorm2d(3)", (2, 3, 4)), ("BatchNorm1d(3)", (2, 3, 4, 5)), ("InstanceNorm2d(3)", (2, 3))]


@pytest.mark.parametrize(("layer", "shape"), WRONG_AXES)
def test_norms_refuse_the_wrong_number_of_axes(layer, shape):
    with pytest.raises(ValueError, match=rf"{len(shape)}D input"):
        eval(f"torch.nn.{layer}")(torch.zeros(shape))
    with pytest.raises(ValueError, match=rf"{len(shape)}D input"):
        eval(f"nn.{layer}")(engine.tensor(np.zeros(shape)))


def test_instance_norm_says_that_it_ignores_the_number_of_features():
    x = engine.tensor(np.random.default_rng(0).normal(size=(2, 4, 5)))
    with pytest.warns(UserWarning, match=r"has 4 channels, num_features is 3"):
        nn.InstanceNorm1d(3)(x)
    with pytest.raises(ValueError, match=r"has 4 channels, num_features is 3"):
        nn.InstanceNorm1d(3, affine=True)(x)
