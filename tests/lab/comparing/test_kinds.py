import pytest

from underhood.errors import BadInput
from underhood.lab.comparing.kinds import choose_metric, kind_of


@pytest.mark.parametrize(
    ("name", "better", "unit"),
    [
        ("test_error", "lower", "points"),
        ("best_validation_accuracy", "higher", "points"),
        ("train_loss", "lower", ""),
        ("loss", "lower", ""),
        ("seconds", "lower", "s"),
        ("images_per_second", "higher", ""),
        ("parameters", "", ""),
        ("gloss", "", ""),  # no loss
        ("terror", "", ""),
    ],
)
def test_a_number_is_known_by_its_name(name, better, unit):
    kind = kind_of(name, [0.25, 0.5])
    assert (kind.better, kind.unit) == (better, unit)
    assert kind.scale == (100 if unit == "points" else 1)


def test_an_error_that_is_no_fraction_has_no_points():
    assert kind_of("mean_error", [0.5, 1.5]).unit == ""
    assert kind_of("mean_error", [0.5, 1.5]).better == "lower"


def test_the_number_to_compare():
    assert choose_metric(None, ["seconds", "test_loss", "test_error"]) == "test_error"
    assert choose_metric(None, ["seconds", "own_loss"]) == "own_loss"
    assert choose_metric(None, ["norm"]) == "norm"
    assert choose_metric("seconds", ["seconds", "test_error"]) == "seconds"


def test_a_number_that_is_not_there():
    with pytest.raises(BadInput, match='"test_eror" is not a number that both sides have; did you mean "test_error"'):
        choose_metric("test_eror", ["seconds", "test_error"])
    with pytest.raises(BadInput, match="say --metric seconds or norm"):
        choose_metric(None, ["seconds", "norm"])
    with pytest.raises(BadInput, match="no finite number in common"):
        choose_metric(None, [])
