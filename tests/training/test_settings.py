"""Settings of a training trial: pages by name, their arguments, and what is said when they are wrong."""

import pytest

from underhood.settings import Mistakes, load, non_default
from underhood.training.settings import TrainingSettings


def refused(*sets):
    with pytest.raises(Mistakes) as error:
        load(TrainingSettings, sets=sets)
    return str(error.value)


def test_unknown_pages_name_the_nearest_one():
    said = refused("optimizer=adamm", "network.name=mpl", "data=mnits")
    assert 'did you mean "adam"' in said
    assert 'did you mean "mlp"' in said
    assert 'did you mean "mnist"' in said
    assert "3 mistakes" in said


def test_unknown_arguments_name_the_nearest_one():
    assert 'sgd has no "momentumm"; did you mean "momentum"' in refused("optimizer.momentumm=0.9")
    assert 'nesterov has no "momentum"' in refused("optimizer=nesterov", "optimizer.momentum=0.9")


def test_a_field_that_all_entries_have_is_named_too():
    assert 'sgd has no "lrr"; did you mean "lr"?' in refused("optimizer.lrr=0.1")
    assert 'none has no "decays"; it takes none' in refused("averaging.decays=0.1")


def test_another_data_set_keeps_what_is_asked_of_the_data():
    base = {"data": {"name": "digits", "validation": 0.2}}
    chosen = load(TrainingSettings, sets=["data.name=mnist"], base=base)
    assert (chosen.data.name, chosen.data.validation) == ("mnist", 0.2)


def test_what_follows_the_data_stays_where_it_repeats_the_default():
    """A default of 10 classes is not the 100 that the data have: to ask for 10 is to ask for something."""
    chosen = load(TrainingSettings, sets=["network.classes=10", "network.hidden=[256]"])
    assert chosen.network.arguments == {"classes": 10}
    assert non_default(chosen) == {"network": {"classes": 10}}


def test_another_page_starts_its_arguments_anew():
    base = {"optimizer": {"name": "sgd", "lr": 0.3, "momentum": 0.9}}
    chosen = load(TrainingSettings, sets=["optimizer=adam"], base=base)
    assert chosen.optimizer.arguments == {}
    assert chosen.optimizer.lr == 0.01
    reverse = load(TrainingSettings, sets=["optimizer.lr=0.1", "optimizer.name=adam"], base=base)
    assert (reverse.optimizer.name, reverse.optimizer.lr) == ("adam", 0.1)


def test_an_argument_that_repeats_the_page_s_default_names_the_same_trial():
    plain = load(TrainingSettings, sets=["optimizer=sgd"])
    said = load(TrainingSettings, sets=["optimizer=sgd", "optimizer.momentum=0", "network.hidden=[256]"])
    assert non_default(plain) == non_default(said) == {}


@pytest.mark.parametrize("word", ["epochs=0", "batch_size=0", "threads=0", "optimizer.lr=-1", "data.validation=-1"])
def test_numbers_out_of_range_are_refused(word):
    assert word.partition("=")[0] in refused(word)


def test_an_l2_penalty_goes_with_a_decay_that_is_none():
    words = ["penalty.l2=0.001", "optimizer.name=adam", "optimizer.weight_decay=0.01"]
    with pytest.raises(Mistakes, match="is an L2 penalty already"):
        load(TrainingSettings, sets=words)
    assert load(TrainingSettings, sets=[*words, "optimizer.decoupled_weight_decay=true"]).penalty.l2 == 0.001
    assert load(TrainingSettings, sets=[words[0], "optimizer.name=adamw", words[2]]).penalty.l2 == 0.001
