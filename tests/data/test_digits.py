import numpy as np

from underhood.data import load


def test_all_scans_in_two_parts() -> None:
    from sklearn.datasets import load_digits  # a second to import, and every process that collects would

    digits = load("digits")
    assert (len(digits.train), len(digits.test)) == (1_438, 359)
    assert digits.shape == (1, 8, 8)
    assert digits.white == 16 == digits.train.images.max()
    theirs = load_digits()
    ours = np.concatenate([digits.train.images, digits.test.images])
    labels = np.concatenate([digits.train.labels, digits.test.labels])
    order, their_order = (np.lexsort(x.reshape(1_797, 64).T) for x in (ours, theirs.images))
    np.testing.assert_array_equal(ours[order, 0], theirs.images[their_order])
    np.testing.assert_array_equal(labels[order], theirs.target[their_order])


def test_every_class_is_in_both_parts() -> None:
    digits = load("digits")
    assert np.bincount(digits.train.labels).min() > 100
    assert np.bincount(digits.test.labels, minlength=10).min() > 20


def test_the_statistics_on_the_page() -> None:
    digits = load("digits")
    pixels = digits.train.images / 16
    np.testing.assert_allclose(digits.mean, pixels.mean(), atol=5e-5)
    np.testing.assert_allclose(digits.std, pixels.std(), atol=5e-5)


def test_the_content_never_changes() -> None:
    """Trials are known by their data's fingerprint."""
    assert load("digits").fingerprint == "4a557e034926d51a6b1098a10b540811e1ff939a2f1a4dc31bc1c3e10bb5f7c5"
