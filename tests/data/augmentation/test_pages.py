"""Each page against another way to compute it, image by image: np.pad, scipy.ndimage.shift, the authors' own rule."""

import numpy as np
import pytest
from scipy import ndimage

from underhood.data.augmentation import AUGMENTATIONS, Chain, Crop, Cutout, Erase, Flip, Normalise, Translate, pixels_of
from underhood.data.augmentation.base import Draw
from underhood.errors import BadInput
from underhood.settings import SettingError

HEIGHT, WIDTH, N = 9, 12, 40
SCALE, SHIFT = np.array([0.01, 0.02], np.float32)[:, None, None], np.array([1.0, 0.25], np.float32)[:, None, None]
PIXELS = np.random.default_rng(0).integers(0, 256, (N, 2, HEIGHT, WIDTH), np.uint8)
NORMAL = PIXELS.astype(np.float32) * SCALE - SHIFT


def drawn(page, epoch=0, instance=0, n=N, seed=0):
    return page.draw(Draw(seed, epoch, n, HEIGHT, WIDTH, page.name, instance))


def augmented(page):
    return pixels_of(PIXELS, Chain((page,)).drawn(0, 0, N, HEIGHT, WIDTH).view(np.arange(N)), SCALE, SHIFT)


@pytest.mark.parametrize(("mode", "of_numpy"), [("zero", "constant"), ("reflect", "reflect")])
@pytest.mark.parametrize("padding", [0, 1, 4, 8])
def test_crop_is_a_window_of_the_padded_image(mode, of_numpy, padding):
    page = Crop(padding, mode)
    padded = np.pad(NORMAL, ((0, 0), (0, 0), (padding, padding), (padding, padding)), mode=of_numpy)
    windows = drawn(page) + padding
    wanted = [p[:, u : u + HEIGHT, v : v + WIDTH] for p, (u, v) in zip(padded, windows, strict=True)]
    np.testing.assert_array_equal(augmented(page), np.stack(wanted))


def test_crop_takes_every_window_alike():
    windows = drawn(Crop(2), n=25_000) + 2
    counts = np.bincount(windows[:, 0] * 5 + windows[:, 1], minlength=25)
    assert windows.min() == 0
    assert counts.size == 25
    assert np.abs(counts - 1000).max() < 5 * np.sqrt(1000)


def test_the_widest_mirror_is_one_pixel_less_than_the_image():
    Crop(8, "reflect").fits(9, 12)
    with pytest.raises(BadInput, match="9 pixels cannot be mirrored of images of 9×12; padding = 8 is the most"):
        Crop(9, "reflect").fits(9, 12)
    Crop(9).fits(9, 12)


def test_flip_is_the_mirror_image_for_those_drawn():
    page = Flip()
    flipped = drawn(page)[:, 0] == 1
    assert 0 < flipped.sum() < N
    np.testing.assert_array_equal(augmented(page)[flipped], NORMAL[flipped][..., ::-1])
    np.testing.assert_array_equal(augmented(page)[~flipped], NORMAL[~flipped])


@pytest.mark.parametrize("p", [0, 0.1, 0.5, 1])
def test_flips_come_with_their_probability(p):
    assert abs(drawn(Flip(p), n=10_000).mean() - p) < 0.02


def test_alternating_shows_both_sides_in_any_two_epochs():
    page = Flip(alternating=True)
    epochs = [drawn(page, epoch, n=1000) for epoch in range(4)]
    np.testing.assert_array_equal(epochs[0] + epochs[1], 1)
    np.testing.assert_array_equal(epochs[2], epochs[0])
    np.testing.assert_array_equal(epochs[3], epochs[1])
    assert abs(epochs[0].mean() - 0.5) < 0.06
    np.testing.assert_array_equal(drawn(page, 0, instance=1, n=1000), epochs[1])


def authors_mask(y, x, length, height, width):
    """The rule of DeVries' and Taylor's program, for even sides."""
    mask = np.ones((height, width))
    y1, y2 = np.clip([y - length // 2, y + length // 2], 0, height)
    x1, x2 = np.clip([x - length // 2, x + length // 2], 0, width)
    mask[y1:y2, x1:x2] = 0
    return mask


@pytest.mark.parametrize("size", [2, 6, 40])
def test_cutout_is_the_authors_rule(size):
    page = Cutout(size)
    masks = [authors_mask(y, x, size, HEIGHT, WIDTH) for y, x in drawn(page)]
    np.testing.assert_array_equal(augmented(page), NORMAL * np.stack(masks)[:, None].astype(np.float32))


def test_cutout_of_an_odd_side_hides_all_of_it():
    page = Cutout(3)
    hidden = (augmented(page)[:, 1] == 0).sum((1, 2))  # in channel 1 no pixel of 0 to 255 comes to 0
    inside = ((drawn(page) >= 1) & (drawn(page) <= [HEIGHT - 2, WIDTH - 2])).all(1)
    assert inside.any()
    assert set(hidden[inside]) == {9}


def test_several_holes_have_their_own_centres():
    page = Cutout(2, holes=3)
    centres = drawn(page).reshape(N, 3, 2)
    masks = [np.prod([authors_mask(y, x, 2, HEIGHT, WIDTH) for y, x in three], 0) for three in centres]
    np.testing.assert_array_equal(augmented(page), NORMAL * np.stack(masks)[:, None].astype(np.float32))


def test_centres_are_anywhere():
    centres = drawn(Cutout(), n=20_000)
    for column, length in ((0, HEIGHT), (1, WIDTH)):
        counts = np.bincount(centres[:, column], minlength=length)
        assert counts.size == length
        assert np.abs(counts - 20_000 / length).max() < 5 * np.sqrt(20_000 / length)


@pytest.mark.parametrize(("mode", "of_scipy"), [("zero", "constant"), ("edge", "nearest"), ("wrap", "grid-wrap")])
@pytest.mark.parametrize("by", [0, 3, 20])
def test_translate_is_a_shift(mode, of_scipy, by):
    page = Translate(by, mode)
    wanted = [
        ndimage.shift(image, (0, *move), order=0, mode=of_scipy)
        for image, move in zip(NORMAL, drawn(page), strict=True)
    ]
    np.testing.assert_array_equal(augmented(page), np.stack(wanted))


def test_translate_moves_both_ways_alike():
    moves = drawn(Translate(2), n=10_000)
    assert (moves.min(), moves.max()) == (-2, 2)
    assert np.abs(np.bincount(moves[:, 0] + 2) - 2000).max() < 200


def test_erase_blanks_the_rectangles_drawn():
    page = Erase()
    wanted = NORMAL.copy()
    for image, (top, left, h, w) in zip(wanted, drawn(page), strict=True):
        image[:, top : top + h, left : left + w] = 0
    np.testing.assert_array_equal(augmented(page), wanted)
    assert 0 < (wanted == NORMAL).all((1, 2, 3)).sum() < N


def test_erase_is_torchvision_s_distribution():
    """Area and shape against the published ranges, the places against an even draw."""
    top, left, h, w = drawn(Erase(p=1, area=0.2), n=50_000).T
    assert (h > 0).mean() > 0.999
    assert ((top >= 0) & (top + h <= HEIGHT) & (left >= 0) & (left + w <= WIDTH)).all()
    rng = np.random.default_rng(1)  # the rule once more, image by image, as the paper's algorithm is written
    areas, tall = [], []
    while len(areas) < 20_000:
        area, r = rng.uniform(0.02, 0.2) * HEIGHT * WIDTH, np.exp(rng.uniform(np.log(0.3), -np.log(0.3)))
        size = round(np.sqrt(area * r)), round(np.sqrt(area / r))
        if 0 < size[0] <= HEIGHT and 0 < size[1] <= WIDTH:
            areas.append(size[0] * size[1]), tall.append(size[0] > size[1])
    assert (h * w).mean() == pytest.approx(np.mean(areas), rel=0.01)
    assert (h * w).std() == pytest.approx(np.std(areas), rel=0.02)
    assert (h > w).mean() == pytest.approx(np.mean(tall), abs=0.01)
    for start, size, length in ((top, h, HEIGHT), (left, w, WIDTH)):
        assert ((start + 0.5) / (length - size + 1)).mean() == pytest.approx(0.5, abs=0.01)
    assert (drawn(Erase(p=0.3), n=20_000)[:, 2] > 0).mean() == pytest.approx(0.3, abs=0.01)


def test_normalise_draws_nothing_and_moves_nothing():
    assert drawn(Normalise()) is None
    np.testing.assert_array_equal(augmented(Normalise()), NORMAL)


@pytest.mark.parametrize("name", list(AUGMENTATIONS))
def test_every_page_says_what_it_is(name):
    page = AUGMENTATIONS[name]
    assert page.name == name
    assert page.summary
    assert page.source
    page().fits(32, 32)  # its defaults are for CIFAR-10


@pytest.mark.parametrize(
    ("make", "key", "said"),
    [
        (lambda: Crop(-1), "padding", "a whole number from 0 on, not -1"),
        (lambda: Crop(2.5), "padding", "a whole number from 0 on, not 2.5"),
        (lambda: Crop(True), "padding", "a whole number from 0 on, not True"),
        (lambda: Crop(mode="mirror"), "mode", "zero or reflect, not 'mirror'"),
        (lambda: Flip(1.5), "p", "a probability from 0 to 1, not 1.5"),
        (lambda: Flip("often"), "p", "a probability from 0 to 1, not 'often'"),
        (lambda: Flip(alternating=1), "alternating", "true or false, not 1"),
        (lambda: Flip(0.3, alternating=True), "p", "alternating flips in every other epoch; leave p out"),
        (lambda: Cutout(0), "size", "a whole number from 1 on, not 0"),
        (lambda: Cutout(holes=0), "holes", "a whole number from 1 on, not 0"),
        (lambda: Erase(p=-0.1), "p", "a number from 0 to 1, not -0.1"),
        (lambda: Erase(p=True), "p", "a number from 0 to 1, not True"),
        (lambda: Erase(area=0.01), "area", "a number from 0.02 to 1, not 0.01"),
        (lambda: Translate(-2), "by", "a whole number from 0 on, not -2"),
        (lambda: Translate(mode="reflect"), "mode", "zero or edge or wrap, not 'reflect'"),
        (lambda: Normalise(mean=0.5), "mean", "a list of one number a channel, not 0.5"),
        (lambda: Normalise(std=[]), "std", "a list of one number a channel, not []"),
        (lambda: Normalise(std=[0.2, 0.0]), "std", "above 0 in every channel, not [0.2, 0.0]"),
    ],
)
def test_settings_that_make_no_sense(make, key, said):
    with pytest.raises(SettingError) as error:
        make()
    assert (error.value.key, str(error.value)) == (key, said)
