"""A trained network on its own data and on others: what fits is evaluated, what doesn't is refused in a line."""

import numpy as np
import pytest

from underhood import data
from underhood.errors import BadInput
from underhood.trained import load
from underhood.trained.evaluation import confusion_table, pairs_table, wilson
from underhood.training.answers import Answers

DIGITS = data.load("digits")


@pytest.fixture
def net(trained):
    return load(trained()[0] / "model.safetensors")


def own_set(path, images, labels, classes="0123456789"):
    np.savez(
        path, x_train=images[:9], y_train=labels[:9], x_test=images, y_test=labels, classes=np.array(list(classes))
    )
    return str(path)


@pytest.mark.parametrize(
    ("correct", "images", "low", "high"),
    [(0, 10, 0.0, 0.27753), (10, 10, 0.72247, 1.0), (50, 100, 0.40383, 0.59617), (9830, 10000, 0.98028, 0.98536)],
)
def test_wilsons_interval(correct, images, low, high):
    """Against R's prop.test(correct, images, correct = FALSE)."""
    assert wilson(correct, images) == pytest.approx((low, high), abs=1e-5)


def test_every_split_of_its_own_data(net):
    seen = {split: net.evaluate(split=split).answers.rows for split in ("train", "validation", "test")}
    assert not set(seen["train"]) & set(seen["validation"])
    assert len(seen["train"]) + len(seen["validation"]) == 1438
    assert len(seen["test"]) == 200
    again = net.evaluate("digits")
    np.testing.assert_array_equal(again.answers.rows, seen["test"])
    with pytest.raises(BadInput, match='split: unknown "tset"; did you mean "test"'):
        net.evaluate(split="tset")


def test_no_validation_images_were_held_out(trained):
    folder, _ = trained("plain", "underhood", data={"name": "digits", "test": 100})
    with pytest.raises(BadInput, match="no validation images were held out"):
        load(folder / "model.safetensors").evaluate(split="validation")


def test_numbers_by_hand(net):
    found = net.evaluate()
    said = net.predict(DIGITS.test.images[found.answers.rows])
    truth = DIGITS.test.labels[found.answers.rows]
    assert found.correct == (said.labels == truth).sum()
    assert found.loss == pytest.approx(-np.log(said.probabilities[np.arange(200), truth]).mean(), rel=1e-5)
    for i in range(10):
        for j in range(10):
            assert found.confusion[i, j] == ((truth == i) & (said.labels == j)).sum()
    assert found.to_json()["accuracy_by_class"][3] == ((truth == 3) & (said.labels == 3)).sum() / (truth == 3).sum()
    assert f"{100 * found.accuracy:.2f} % of 200 test images of digits read right" in str(found)
    classes, matrix = found.tables()
    assert [row["images"] for row in classes.rows] == np.bincount(truth).tolist()
    assert [[row[f"c{j}"] for j in range(10)] for row in matrix.rows] == found.confusion.tolist()


def test_another_set_whose_white_is_another(net, tmp_path):
    """The same images at 255 for white: x / white is the same number but for the bytes' rounding."""
    images = (DIGITS.test.images.astype(float) * (255 / 16)).round().astype(np.uint8)
    name = own_set(tmp_path / "bright.npz", images, DIGITS.test.labels)
    bright, own = net.evaluate(name), net.predict(DIGITS.test.images)
    assert bright.images == 359
    assert bright.notes == ()
    assert (bright.answers.prediction == own.labels).mean() > 0.99


def test_classes_in_another_order_are_matched_by_name(net, tmp_path):
    name = own_set(tmp_path / "turned.npz", DIGITS.test.images * 15, (DIGITS.test.labels + 3) % 10, "7890123456")
    same = own_set(tmp_path / "same.npz", DIGITS.test.images * 15, DIGITS.test.labels)
    found = net.evaluate(name)
    assert "the same classes in another order; they were matched by name" in found.notes[0]
    assert (found.correct, found.loss) == (net.evaluate(same).correct, net.evaluate(same).loss)


def test_as_many_classes_of_other_names_are_said(net, tmp_path):
    name = own_set(tmp_path / "letters.npz", DIGITS.test.images, DIGITS.test.labels, "abcdefghij")
    (note,) = net.evaluate(name).notes
    assert note.endswith("calls its classes otherwise (a, b, c, …); they were matched in their order, to 0, 1, 2, …")


def test_what_does_not_fit_is_refused(net, tmp_path):
    fewer = own_set(tmp_path / "fewer.npz", DIGITS.test.images, DIGITS.test.labels % 7, "0123456")
    larger = own_set(tmp_path / "larger.npz", np.zeros((20, 9, 8), np.uint8), np.arange(20) % 10)
    with pytest.raises(BadInput, match=r"fewer\.npz: has 7 classes, the network knows 10 \(0, 1, 2, …\)"):
        net.evaluate(fewer)
    with pytest.raises(BadInput, match=r"larger\.npz: its images are 1×9×8, the network takes 1×8×8 \("):
        net.evaluate(larger)
    with pytest.raises(BadInput, match="validation images are held out of a trial's own data"):
        net.evaluate(larger, "validation")
    with pytest.raises(BadInput, match="there is no "):
        net.evaluate(str(tmp_path / "none.npz"))


def test_a_set_that_changed_since_is_said(trained, tmp_path):
    name = own_set(tmp_path / "mine.npz", DIGITS.train.images[:200], DIGITS.train.labels[:200])
    folder, _ = trained("plain", "underhood", data={"name": name})
    net = load(folder / "model.safetensors")
    assert net.evaluate().notes == ()
    own_set(tmp_path / "mine.npz", DIGITS.train.images[:100], DIGITS.train.labels[:100])
    assert "is not what it was when the network learnt from it" in net.evaluate().notes[0]


def test_of_many_classes_the_pairs_are_listed():
    truth = np.repeat(np.arange(30), 4).astype(np.int32)
    said = truth.copy()
    said[:3], said[8:10] = 7, 3  # three of class 0 for 7, two of class 2 for 3
    zeros = np.zeros(len(truth), np.float32)
    names = tuple(f"c{k}" for k in range(30))
    none = np.zeros((0, 1, 1, 1), np.uint8)
    answers = Answers(np.arange(120), truth, said, zeros, zeros, names, np.zeros(0, int), none, 255.0)
    assert (
        confusion_table(answers).rows
        == pairs_table(answers).rows
        == [
            {"truth": "c0", "prediction": "c7", "images": 3},
            {"truth": "c2", "prediction": "c3", "images": 2},
        ]
    )
