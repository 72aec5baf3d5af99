"""What settings are called: by what tells them apart, and never two alike."""

from hypothesis import given
from hypothesis import strategies as st

from underhood.lab.labels import labels, labels_of, varying
from underhood.lab.trial import TrialSpec
from underhood.settings import Settings


def test_only_what_varies():
    settings = [
        {"optimizer": {"name": "adam", "lr": 0.1}, "size": 3},
        {"optimizer": {"name": "sgd", "lr": 0.1}, "size": 3},
    ]
    assert varying(settings) == [{"optimizer.name": "adam"}, {"optimizer.name": "sgd"}]
    assert varying(settings[:1]) == [{}]


def test_a_key_that_some_lack_is_none_there():
    assert varying([{"a": 1}, {"a": 1, "b": {"c": 2}}]) == [{"b.c": None}, {"b.c": 2}]


def test_words_speak_for_themselves_and_numbers_do_not():
    values = [
        {"optimizer.name": "adam", "optimizer.lr": 0.1, "network.hidden": [64, 64], "nesterov": True, "decay": None},
        {"optimizer.name": "sgd", "optimizer.lr": 1.0, "network.hidden": [8], "nesterov": False, "decay": 0.5},
    ]
    assert labels(values) == [
        "adam, lr 0.1, hidden [64, 64], nesterov true, no decay",
        "sgd, lr 1.0, hidden [8], nesterov false, decay 0.5",
    ]
    assert labels([{}]) == ["all"]
    assert labels([{}], alone="") == [""]


def test_what_an_entry_has_by_default_is_not_said_to_be_missing():
    settings = [
        {"network": {"name": "small"}, "optimizer": {"name": "sgd", "momentum": 0.9}, "limit": None},
        {"network": {"name": "small", "activation": "Swish"}, "optimizer": {"name": "adam"}, "limit": "1GB"},
    ]
    assert labels(varying(settings), settings) == [
        "sgd, momentum 0.9, no limit, default activation",
        "adam, no momentum, 1GB, Swish",
    ]
    tables = [{"search": {"epochs": 3}}, {"search": {"epochs": 3, "over": {"lr": [0.1]}}}]  # no entry has these
    assert labels(varying(tables), tables) == ["no lr", "lr [0.1]"]


def test_two_that_would_be_called_the_same_get_whole_keys():
    values = [{"a.lr": 1, "b.lr": 2}, {"a.lr": 1, "b.lr": 3}]
    assert labels(values) == ["lr 1, lr 2", "lr 1, lr 3"]
    values = [{"first.name": "x", "second.name": None}, {"first.name": None, "second.name": "x"}]
    assert labels(values) == ["x, no name", "no name, x"]
    values = [
        {"first.on": "x", "second.on": "no on"},
        {"first.on": None, "second.on": "x"},
        {"first.on": "x", "second.on": None},
    ]
    assert len(set(labels(values))) == 3


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(0, 2) | st.text("xy", max_size=2)), unique_by=str
    )
)
def test_different_settings_have_different_labels(settings):
    values = varying(settings)
    distinct = {str(sorted(each.items(), key=str)) for each in values}
    assert len(set(labels(values))) == len(distinct)


def test_trials_are_called_by_setting_and_seed():
    class Walk(Settings):
        name: str = "plain"

    def called(*points):
        return list(labels_of([TrialSpec("a:b", Walk(name=name), seed) for name, seed in points]).values())

    assert called(("plain", 0), ("other", 0)) == ["plain", "other"]
    assert called(("plain", 0), ("other", 0), ("plain", 1)) == ["plain, seed 0", "other, seed 0", "plain, seed 1"]
    assert called(("plain", 0)) == ["seed 0"]
