"""Chains: any order equals its steps one after the other, draws depend on seed, epoch and image alone."""

from itertools import permutations

import numpy as np
import pytest

from underhood.data.augmentation import Chain, Crop, Cutout, Flip, Normalise, Translate, pixels_of
from underhood.data.augmentation.base import Draw

H, W, N = 10, 8, 30
SCALE, SHIFT = np.array([0.01], np.float32)[:, None, None], np.array([1.0], np.float32)[:, None, None]
PIXELS = np.random.default_rng(1).integers(0, 256, (N, 1, H, W), np.uint8)
STEPS = (Crop(2), Flip(), Cutout(4), Translate(3, "wrap"), Normalise())


def augmented(chain, rows=None, epoch=0, seed=0):
    rows = np.arange(N) if rows is None else np.asarray(rows)
    return pixels_of(PIXELS[rows], chain.drawn(seed, epoch, N, H, W).view(rows), SCALE, SHIFT)


def one_by_one(steps):
    """The chain with whole float images passed from step to step, each page written out for a single image."""
    x = PIXELS[:, 0].astype(np.float32)
    normal = not any(isinstance(step, Normalise) for step in steps)
    if normal:
        x = x * SCALE[0] - SHIFT[0]
    for step in steps:
        drawn = step.draw(Draw(0, 0, N, H, W, step.name))
        if isinstance(step, Normalise):
            x, normal = x * SCALE[0] - SHIFT[0], True
            continue
        x = np.stack([by_hand(step, image, numbers) for image, numbers in zip(x, drawn, strict=True)])
    return x[:, None]


def by_hand(step, image, numbers):
    match step:
        case Crop(padding=p):
            u, v = numbers + p
            return np.pad(image, p)[u : u + H, v : v + W]
        case Flip():
            return image[:, ::-1] if numbers[0] else image
        case Translate():
            return np.roll(image, tuple(numbers), (0, 1))
        case Cutout(size=s):
            y, x = numbers - s // 2
            image = image.copy()
            image[max(y, 0) : y + s, max(x, 0) : x + s] = 0
            return image
    raise AssertionError(step)


@pytest.mark.parametrize("steps", list(permutations(STEPS)), ids=lambda steps: "-".join(s.name for s in steps))
def test_every_order_is_its_steps_one_after_the_other(steps):
    np.testing.assert_array_equal(augmented(Chain(steps)), one_by_one(steps))


def test_zeros_are_black_before_normalise_and_the_mean_after():
    black = augmented(Chain((Cutout(4), Normalise())))
    mean = augmented(Chain((Normalise(), Cutout(4))))
    hidden = mean != augmented(Chain())
    assert hidden.any()
    assert set(black[hidden]) == {np.float32(-1)}
    assert set(mean[hidden]) == {np.float32(0)}


def test_the_usual_order_is_what_pillow_makes_of_it():
    """RandomCrop(32, padding=4), RandomHorizontalFlip, ToTensor, Normalize, with the numbers that were drawn here."""
    pil, ops = pytest.importorskip("PIL.Image"), pytest.importorskip("PIL.ImageOps")
    pixels = np.random.default_rng(3).integers(0, 256, (20, 3, 32, 32), np.uint8)
    mean, std = (np.array(v)[:, None, None] for v in ([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]))
    drawn = Chain((Crop(4), Flip(), Normalise())).drawn(0, 0, 20, 32, 32)
    wanted = []
    for image, window, (flipped,) in zip(pixels, *drawn.tables[0][:2], strict=True):
        top, left = map(int, window + 4)
        padded = ops.expand(pil.fromarray(image.transpose(1, 2, 0)), border=4, fill=0)
        picture = padded.crop((left, top, left + 32, top + 32))
        picture = picture.transpose(pil.Transpose.FLIP_LEFT_RIGHT) if flipped else picture
        wanted.append((np.asarray(picture).transpose(2, 0, 1) / 255 - mean) / std)
    ours = pixels_of(pixels, drawn.view(np.arange(20)), 1 / (255 * std), mean / std)
    np.testing.assert_allclose(ours, np.stack(wanted), atol=1e-12)


def test_an_image_looks_alike_in_any_batch_at_any_place():
    chain = Chain(STEPS)
    whole = augmented(chain, epoch=3)
    order = np.random.default_rng(0).permutation(N)
    np.testing.assert_array_equal(augmented(chain, order, epoch=3), whole[order])
    for size in (1, 7):
        batches = [augmented(chain, order[i : i + size], epoch=3) for i in range(0, N, size)]
        np.testing.assert_array_equal(np.concatenate(batches), whole[order])


def test_what_is_drawn_for_an_image_does_not_depend_on_how_many_there_are():
    chain = Chain(STEPS)
    few, many = (chain.drawn(0, 0, n, H, W).tables[0] for n in (10, 500))
    for a, b in zip(few, many, strict=True):
        assert (a is None and b is None) or np.array_equal(a, b[:10])


def test_epochs_and_seeds_differ():
    chain = Chain((Crop(4),))
    views = [augmented(chain, epoch=epoch, seed=seed).tobytes() for epoch in (0, 1) for seed in (0, 1)]
    assert len(set(views)) == 4


def test_another_page_moves_no_draws():
    with_crop, alone = (chain.drawn(5, 2, N, H, W).tables[0][-1] for chain in (Chain(STEPS[:2]), Chain(STEPS[1:2])))
    np.testing.assert_array_equal(with_crop, alone)


def test_a_page_named_twice_draws_twice():
    first, second = Chain((Cutout(2), Cutout(2))).drawn(0, 0, N, H, W).tables[0]
    assert (first != second).any()


def test_repeats_are_instances_of_their_own_and_the_first_is_the_unrepeated_one():
    rows = np.array([4, 9, 2])
    alone, three = augmented(Chain(STEPS), rows), augmented(Chain(STEPS, repeats=3), rows)
    assert three.shape == (9, 1, H, W)
    instances = three.reshape(3, 3, 1, H, W)
    np.testing.assert_array_equal(instances[0], alone)
    assert len({instance.tobytes() for instance in instances}) == 3
    np.testing.assert_array_equal(augmented(Chain(STEPS, repeats=2), rows), three[:6])
    singles = [augmented(Chain(STEPS, repeats=3), [row]) for row in rows]
    np.testing.assert_array_equal(np.stack([s[2] for s in singles]), instances[2])


def test_repeats_of_cutout_alone_see_each_image_again():
    same = augmented(Chain((Cutout(1),), repeats=2)).reshape(2, N, -1)
    plain = augmented(Chain()).reshape(N, -1)
    assert ((same == plain).sum(2) >= H * W - 1).all()


def test_an_empty_chain_only_normalises():
    assert not Chain()
    np.testing.assert_array_equal(augmented(Chain()), PIXELS * SCALE - SHIFT)


def test_the_numbers_never_change():
    """Results on record were drawn from these: another rule for the streams' names would orphan them all."""
    tables = Chain((Crop(4), Flip(), Flip(alternating=True), Cutout(16)), 2).drawn(7, 3, 2, 32, 32).tables
    assert [[table.tolist() for table in instance] for instance in tables] == [
        [[[2, -1], [0, -1]], [[1], [0]], [[0], [0]], [[11, 28], [5, 2]]],
        [[[-4, 3], [4, 0]], [[0], [0]], [[1], [1]], [[21, 2], [9, 5]]],
    ]


def test_a_chain_changes_something_if_it_has_a_step_or_repeats():
    assert Chain((Flip(),))
    assert Chain(repeats=2)
    assert not Chain(repeats=1)
