"""Batches in training: augmented by image and epoch, the same on either back end, resumed bit for bit."""

from dataclasses import replace

import numpy as np
import pytest

from tests.training.runs import in_parts, measured, run
from underhood.data.augmentation import Chain, Crop, Flip
from underhood.data.split import split
from underhood.errors import BadInput
from underhood.settings import load, non_default
from underhood.training.loop import CLOCKED
from underhood.training.pipeline import read
from underhood.training.settings import DataSettings, TrainingSettings
from underhood.trials import Result

ALL = [
    "flip",
    {"name": "crop", "padding": 2, "mode": "reflect"},
    {"name": "cutout", "size": 3},
    {"name": "translate", "by": 1},
]
DIGITS = {"name": "digits", "train": 200, "test": 100, "validation": 0.1, "augmentation": ALL}
TRIAL = {"network": {"name": "mlp", "hidden": [16]}, "batch_size": 32, "epochs": 3}


def data(**more):
    return DataSettings(**DIGITS | more)


def test_only_training_images_are_augmented():
    plain, augmented = read(data(augmentation=[]), None, 0, "float32"), read(data(), None, 0, "float32")
    which = np.arange(20)
    for name in ("validation", "test"):
        part = getattr(augmented, name)
        assert part.in_epoch(0, 0) is part
        np.testing.assert_array_equal(part.batch(which)[0], getattr(plain, name).batch(which)[0])
    same = augmented.train.in_epoch(0, 0)
    assert (same.batch(which)[0] != plain.train.batch(which)[0]).any()
    evaluated = np.concatenate([x for x, _ in same.in_order()])
    np.testing.assert_array_equal(evaluated, np.concatenate([x for x, _ in plain.train.in_order()]))


def test_an_image_looks_alike_whatever_the_batch_the_subset_and_the_split():
    whole = read(data(train=None, validation=0), None, 0, "float32").train.in_epoch(3, 5)
    some = read(data(), None, 9, "float32").train.in_epoch(3, 5)
    order = np.random.default_rng(0).permutation(len(some))
    x, t = some.batch(order)
    where = np.searchsorted(whole.rows, some.rows[order])
    for size in (1, 64):
        batches = [whole.batch(where[i : i + size]) for i in range(0, len(where), size)]
        np.testing.assert_array_equal(np.concatenate([b for b, _ in batches]), x)
        np.testing.assert_array_equal(np.concatenate([labels for _, labels in batches]), t)


def test_the_seed_decides_which_images_are_held_out_and_which_are_used():
    first, again, other = (read(data(), None, seed, "float32") for seed in (3, 3, 4))
    training, validation = split(len(first.train.images), 0.1, 3)
    np.testing.assert_array_equal(first.validation.rows, validation)
    assert np.isin(first.train.rows, training).all()
    for name in ("train", "validation", "test"):
        rows = getattr(first, name).rows
        assert (np.diff(rows) > 0).all()
        np.testing.assert_array_equal(getattr(again, name).rows, rows)
        assert getattr(other, name).rows.tolist() != rows.tolist()


def test_repeats_come_with_their_labels():
    part = read(data(repeats=4), None, 0, "float32").train
    x, t = part.in_epoch(0, 0).batch(np.arange(10))
    once, labels = read(data(), None, 0, "float32").train.in_epoch(0, 0).batch(np.arange(10))
    assert x.shape == (40, 1, 8, 8)
    np.testing.assert_array_equal(t, np.tile(labels, 4))
    np.testing.assert_array_equal(x[:10], once)
    assert (x[10:20] != once).any()
    assert (len(part), part.shown) == (200, 800)


def test_a_part_kept_on_a_device_gives_the_same_batches():
    torch = pytest.importorskip("torch")
    for repeats in (1, 3):
        part = read(data(repeats=repeats), None, 0, "float32").train
        there = part.on(torch.from_numpy)
        which = np.random.default_rng(1).permutation(200)[:50]
        for a, b in ((part, there), (part.in_epoch(1, 2), there.in_epoch(1, 2))):
            x, t = b.batch(which)
            assert isinstance(x, torch.Tensor)
            np.testing.assert_array_equal(x.numpy(), a.batch(which)[0])
            np.testing.assert_array_equal(t, a.batch(which)[1])
        assert sum(len(t) for _, t in there.in_epoch(0, 0).in_order()) == 200


@pytest.mark.parametrize("augmentation", [[], ALL])
def test_a_trial_with_its_images_on_a_device_is_the_same_trial(augmentation, monkeypatch):
    torch = pytest.importorskip("torch")
    chosen = TrainingSettings(**TRIAL, data=DIGITS | {"augmentation": augmentation}, backend="torch")
    here = run(chosen)

    def everything(parts, settings):
        on_device = {name: getattr(parts, name).on(torch.from_numpy) for name in ("train", "validation", "test")}
        return replace(parts, **on_device)

    monkeypatch.setattr("underhood.training.loop.resident", everything)
    there = run(chosen)
    assert measured(there) == measured(here)
    assert there[-1].values["test_error"] == here[-1].values["test_error"]


def test_the_set_is_not_copied():
    part = read(data(), None, 0, "float32").train
    assert part.in_epoch(0, 1).images is part.images
    assert isinstance(part.images.images, np.memmap)


@pytest.mark.parametrize("backend", ["underhood", "torch"])
@pytest.mark.parametrize("repeats", [1, 2])
def test_resumed_anywhere_it_is_the_uninterrupted_one(backend, repeats):
    chosen = TrainingSettings(**TRIAL, data=DIGITS | {"repeats": repeats}, backend=backend)
    whole = run(chosen)
    found, last = in_parts(chosen, (0, 3, 9))  # three times, the last time in the second epoch
    assert found == measured(whole)
    assert {**last[-1].values, **dict.fromkeys(CLOCKED)} == {**whole[-1].values, **dict.fromkeys(CLOCKED)}


def test_both_back_ends_see_the_same_images():
    ours, theirs = (
        run(TrainingSettings(**TRIAL, data=DIGITS, backend=backend, precision="float64"))
        for backend in ("underhood", "torch")
    )
    for (_, a), (_, b) in zip(measured(ours), measured(theirs), strict=True):
        assert a == pytest.approx(b, rel=1e-9)


def test_losses_and_errors_of_repeated_images_are_means():
    result = run(TrainingSettings(**TRIAL, data=DIGITS | {"repeats": 5}))[-1]
    assert isinstance(result, Result)
    assert 0 < result.values["train_error"] < 1
    assert 0 < result.values["train_loss"] < 3
    assert result.values["steps"] == 3 * 7


def test_an_augmentation_changes_what_is_learnt():
    plain, augmented = (run(TrainingSettings(**TRIAL, data=DIGITS | {"augmentation": a})) for a in ([], ALL))
    assert measured(plain) != measured(augmented)
    assert plain[-1].values["initial_loss"] != augmented[-1].values["initial_loss"]


def test_normalise_with_values_of_its_own_is_for_all_images():
    own = data(augmentation=["crop", {"name": "normalise", "mean": [0.5], "std": [0.25]}])
    parts = read(own, None, 0, "float64")
    for part in (parts.test, parts.validation):
        raw = part.images.images[part.rows[:5]] / 16
        np.testing.assert_allclose(part.batch(np.arange(5))[0], (raw - 0.5) / 0.25, atol=1e-12)


def test_unit_scaling_is_augmented_too():
    x, _ = read(data(scaling="unit"), None, 0, "float32").train.in_epoch(0, 0).batch(np.arange(50))
    assert (x.min(), x.max()) == (0, 1)


def test_what_cannot_be_done_to_the_images_is_said_before_training():
    with pytest.raises(BadInput, match="8 pixels cannot be mirrored of images of 8×8; padding = 7 is the most"):
        read(data(augmentation=[{"name": "crop", "padding": 8, "mode": "reflect"}]), None, 0, "float32")
    with pytest.raises(BadInput, match="normalise: std has 3 numbers; images of digits have 1 channel"):
        read(data(augmentation=[{"name": "normalise", "std": [1.0, 1.0, 1.0]}]), None, 0, "float32")


# The settings


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("data.augmentation=flipp", '--set data.augmentation.name: unknown "flipp"; did you mean "flip"?'),
        ('data.augmentation=["crop","cutuot"]', 'unknown "cutuot"; did you mean "cutout"'),
        ('data.augmentation=[{name="crop", pading=4}]', '.pading: crop has no "pading"; did you mean "padding"?'),
        ('data.augmentation=[{name="crop", padding=-1}]', "augmentation.padding: a whole number from 0 on, not -1"),
        ('data.augmentation=[{name="normalise", mean=0.5}]', "mean: a list of one number a channel, not 0.5"),
        ("data.repeats=4", "data.repeats: 4 times the same image; name an augmentation, or leave it out"),
        ("data.repeats=0", "data.repeats"),
    ],
)
def test_mistakes_are_said_with_the_nearest_word(word, said):
    with pytest.raises(BadInput) as error:
        load(TrainingSettings, sets=[word])
    assert said in str(error.value)


def test_values_of_normalise_are_no_use_to_unit_scaling():
    with pytest.raises(BadInput, match=r'data\.scaling: "unit" has no mean and deviation to give'):
        load(TrainingSettings, sets=["data.scaling=unit", 'data.augmentation=[{name="normalise", mean=[0.5]}]'])


def test_the_order_is_kept_and_defaults_make_no_other_trial():
    words = ['data.augmentation=["flip", {name = "crop", padding = 4, mode = "reflect"}, {name = "cutout", size = 16}]']
    chosen = load(TrainingSettings, sets=words).data
    steps = [{"name": "flip"}, {"name": "crop", "mode": "reflect"}, {"name": "cutout"}]
    assert non_default(chosen) == {"augmentation": steps}
    assert Chain(tuple(step.make() for step in chosen.augmentation)).steps[:2] == (Flip(), Crop(4, "reflect"))
    assert non_default(DataSettings(augmentation="flip")) == {"augmentation": [{"name": "flip"}]}
    assert non_default(DataSettings()) == {}


def test_a_folder_of_one_class_is_nothing_to_learn_from(tmp_path):
    from PIL import Image

    (tmp_path / "photos" / "cat").mkdir(parents=True)
    for i in range(10):
        Image.new("L", (4, 4), i).save(tmp_path / "photos" / "cat" / f"{i}.png")
    with pytest.raises(BadInput, match=r"photos: holds one class alone \(cat\): nothing can be learnt of it"):
        read(DataSettings(name=str(tmp_path / "photos")), None, 0, "float32")
