"""NumPy and PyTorch give the same bits, and the source is only read."""

import mmap

import numpy as np
import pytest

from underhood.data.augmentation import Chain, Crop, Cutout, Flip, Normalise, Translate, pixels_of

torch = pytest.importorskip("torch")

PIXELS = np.random.default_rng(2).integers(0, 256, (50, 3, 32, 32), np.uint8)
MEAN, STD = np.array([0.4914, 0.4822, 0.4465]), np.array([0.2470, 0.2435, 0.2616])

CHAINS = {
    "nothing": (),
    "crop": (Crop(4),),
    "reflect and flip": (Crop(4, "reflect"), Flip(alternating=True)),
    "cutout alone": (Cutout(16),),
    "the tutorial's": (Crop(4), Flip(), Normalise()),
    "all": (Translate(3, "edge"), Flip(), Cutout(8), Crop(4), Normalise(), Cutout(16, holes=2)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("repeats", [1, 3])
@pytest.mark.parametrize("steps", CHAINS.values(), ids=CHAINS.keys())
def test_both_libraries_give_the_same_bits(steps, repeats, dtype):
    scale, shift = ((v[:, None, None]).astype(dtype) for v in (1 / (255 * STD), MEAN / STD))
    rows = np.random.default_rng(0).permutation(50)[:17]
    view = Chain(steps, repeats).drawn(1, 2, 50, 32, 32).view(rows)
    ours = pixels_of(PIXELS[rows], view, scale, shift)
    theirs = pixels_of(torch.from_numpy(PIXELS[rows]), view, torch.from_numpy(scale), torch.from_numpy(shift))
    assert ours.dtype == dtype
    assert ours.shape == (17 * repeats, 3, 32, 32)
    assert theirs.numpy().tobytes() == ours.tobytes()


def test_the_source_is_only_read(tmp_path):
    np.save(tmp_path / "images.npy", PIXELS)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert isinstance(mapped._mmap, mmap.mmap)
    one = np.ones((3, 1, 1), np.float32)
    view = Chain(CHAINS["all"]).drawn(0, 0, 50, 32, 32).view(np.arange(50))
    np.testing.assert_array_equal(pixels_of(mapped, view, one, one), pixels_of(PIXELS, view, one, one))
    kept = torch.from_numpy(PIXELS.copy())
    for steps in CHAINS.values():
        pixels_of(
            kept, Chain(steps).drawn(0, 0, 50, 32, 32).view(np.arange(50)), torch.ones(3, 1, 1), torch.ones(3, 1, 1)
        )
    np.testing.assert_array_equal(kept.numpy(), PIXELS)


def test_a_batch_on_another_device_stays_there():
    pixels, one = torch.empty(5, 3, 8, 8, dtype=torch.uint8, device="meta"), torch.ones(3, 1, 1, device="meta")
    view = Chain((Crop(2), Cutout(4))).drawn(0, 0, 5, 8, 8).view(np.arange(5))
    assert pixels_of(pixels, view, one, one).device.type == "meta"
