"""The speed net's fixed first layer: orthogonal patterns of patches and colours, each brought to deviation one."""

import os

import numpy as np
import pytest
import torch

import underhood.nn
from underhood import data
from underhood.errors import BadInput
from underhood.networks import NETWORKS
from underhood.networks.speed_net import COLOURS, DEVIATIONS, EPSILON, patch_filters
from underhood.training.backends import backend
from underhood.training.initial import initialise


def test_the_filters_are_orthogonal_and_their_lengths_are_one_over_the_deviations():
    flat = np.array(patch_filters()).reshape(12, -1)
    gram = flat @ flat.T
    lengths = np.sqrt(np.diag(gram))
    np.testing.assert_allclose(gram, np.diag(lengths**2), atol=2e-4 * lengths.max() ** 2)
    by_hand = [1 / np.sqrt(DEVIATIONS[u][k] ** 2 + EPSILON) for k in range(4) for u in range(3)]
    np.testing.assert_allclose(lengths, by_hand, rtol=2e-4)


def test_the_first_filter_adds_up_light_and_the_next_colours():
    filters = np.array(patch_filters())
    assert (filters[0] > 0).all()
    assert abs(filters[1].sum(0)).max() < abs(filters[1]).max() / 50  # red against blue, and hardly any green
    np.testing.assert_allclose(filters[3, :, 0], -filters[3, :, 1])  # the rows' difference
    np.testing.assert_allclose(filters[3, :, :, 0], filters[3, :, :, 1])
    np.testing.assert_allclose(np.linalg.norm(COLOURS, axis=1), 1, atol=1e-3)


def test_it_is_not_learnt_and_no_seed_draws_it():
    for name, nn in (("underhood", underhood.nn), ("torch", torch.nn)):
        net = NETWORKS["speed-net"].build(nn, widths=(4, 4, 4))
        assert "whiten.kernel" not in dict(net.named_parameters())
        initialise(net, 3, "he", backend(name))
        kernel = backend(name).array(net.state_dict()["whiten.kernel"])
        np.testing.assert_array_equal(kernel, np.array(patch_filters(), np.float32))


@pytest.mark.skipif(not os.environ.get("UNDERHOOD_DATA"), reason="UNDERHOOD_DATA names no folder")
def test_cifar10_comes_out_white():
    try:
        arrays = data.load("cifar10")
    except BadInput:
        pytest.skip("CIFAR-10 is not there")
    mean, std = (np.array(values)[:, None, None] for values in (arrays.mean, arrays.std))
    images = (arrays.train.take(np.arange(0, 50_000, 25)) / 255 - mean) / std
    kernel = torch.tensor(patch_filters(), dtype=torch.float64)
    z = torch.nn.functional.conv2d(torch.from_numpy(images), kernel).transpose(0, 1).flatten(1).numpy()
    shrunk = np.array(DEVIATIONS).T.ravel() / np.sqrt(np.array(DEVIATIONS).T.ravel() ** 2 + EPSILON)
    np.testing.assert_allclose(z.std(1), shrunk, rtol=0.05)
    correlations = np.corrcoef(z) - np.eye(12)
    assert 0.1 < abs(correlations).max() < 0.2
