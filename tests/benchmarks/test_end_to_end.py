"""The tutorial's program that underhood is held against is a fair one, and the benchmark prints its table."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from benchmarks.programs.tutorial_transforms import (
    Compose,
    Normalize,
    Pictures,
    RandomCrop,
    RandomHorizontalFlip,
    ToTensor,
    usual,
)

ROOT = Path(__file__).parents[2]
PIXELS = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), np.uint8)


def test_to_tensor_and_normalize_are_the_equation():
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)
    z = Compose([ToTensor(), Normalize(mean, std)])(Image.fromarray(PIXELS[0]))
    by_hand = ((PIXELS[0].astype(np.float64) / 255 - mean) / std).transpose(2, 0, 1)
    assert (z.dtype, z.shape) == (torch.float32, (3, 32, 32))
    np.testing.assert_allclose(z.numpy(), by_hand, rtol=1e-5, atol=1e-5)


def test_crops_are_windows_of_the_padded_image_and_all_of_them_come_up():
    padded = np.pad(PIXELS[0], ((4, 4), (4, 4), (0, 0)))
    windows = {padded[u : u + 32, v : v + 32].tobytes(): (u, v) for u in range(9) for v in range(9)}
    assert len(windows) == 81
    torch.manual_seed(0)
    seen = {windows[RandomCrop(32, padding=4)(Image.fromarray(PIXELS[0])).tobytes()] for _ in range(1000)}
    assert len(seen) == 81


def test_half_of_the_images_are_flipped():
    torch.manual_seed(0)
    flipped = [RandomHorizontalFlip()(Image.fromarray(PIXELS[0])).tobytes() for _ in range(400)]
    assert set(flipped) == {PIXELS[0].tobytes(), PIXELS[0][:, ::-1].tobytes()}
    assert 160 < flipped.count(PIXELS[0].tobytes()) < 240


def test_a_loader_makes_batches_of_them():
    (x, t), (_, rest) = DataLoader(Pictures(PIXELS, [0, 1, 2, 3, 4, 5], usual()), batch_size=4)
    assert x.shape == (4, 3, 32, 32)
    assert t.tolist() + rest.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.slow
def test_the_benchmark_prints_its_table():
    command = [sys.executable, "-m", "benchmarks.end_to_end", "--networks", "simple-nn", "--rounds", "1"]
    done = subprocess.run([*command, "--images", "640"], cwd=ROOT, capture_output=True, text=True, check=True)
    rows = {line[:12].strip(): line[12:].split() for line in done.stdout.splitlines()}
    for name in ("tutorial", "torch", "torch, tuned", "engine"):
        rate, ratio, *_ = rows[name]
        assert float(rate.replace(",", "")) > 0
        assert float(ratio) == 1 or name != "tutorial"
