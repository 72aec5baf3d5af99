"""A grid search: what it chooses, by what, and that a resumed one is the uninterrupted one."""

import math
from functools import partial
from itertools import product

import pytest

from tests.training import runs
from tests.training.runs import measured
from underhood.settings import Mistakes, load
from underhood.training import loop
from underhood.training.loop import CLOCKED, train
from underhood.training.search import SearchedSettings, search_and_train
from underhood.training.settings import TrainingSettings
from underhood.trials import Context, Note, Result

BASE = {
    "network": {"name": "mlp", "hidden": [16]},
    "data": {"name": "digits", "validation": 0.2, "train": 200, "test": 60},
    "batch_size": 40,
    "epochs": 3,
    "train_curve": True,
}
RATES, STRENGTHS = [0.01, 0.3, 0.1], [0.0, 0.01]
OVER = {"optimizer.lr": RATES, "penalty.l2": STRENGTHS}


def settings(over=OVER, epochs=2, **more):
    return SearchedSettings(**BASE | more, search={"over": over, "epochs": epochs})


run = partial(runs.run, trial=search_and_train)


def plain(**more):
    """A training of the loop alone."""
    return list(train(TrainingSettings(**BASE | more), 0, Context()))


def unclocked(result):
    kept = {name: value for name, value in result.values.items() if name not in (*CLOCKED, "search")}
    search = result.values.get("search")
    if search:
        kept["tried"] = [{k: v for k, v in each.items() if k != "seconds"} for each in search["candidates"]]
    return kept


def test_the_lowest_validation_error_is_chosen_and_trained_with():
    events = run(settings())
    search = events[-1].values["search"]
    grid = list(product(RATES, STRENGTHS))
    assert [tuple(each["values"].values()) for each in search["candidates"]] == grid
    errors = [
        plain(optimizer={"lr": lr}, penalty={"l2": l2}, epochs=2)[-1].values["validation_error"] for lr, l2 in grid
    ]
    assert [each["validation_error"] for each in search["candidates"]] == errors
    assert search["chosen"] == errors.index(min(errors)) != 0
    lr, l2 = grid[search["chosen"]]
    proper = plain(optimizer={"lr": lr}, penalty={"l2": l2})
    assert measured(events) == measured(proper)
    assert unclocked(events[-1]) | {"tried": None} == unclocked(proper[-1]) | {"tried": None}


def test_what_is_watched_chooses():
    search = run(settings(watch="validation_loss"))[-1].values["search"]
    losses = [each["validation_loss"] for each in search["candidates"]]
    assert search["chosen"] == losses.index(min(losses))


def test_each_candidate_and_the_choice_are_told():
    told = [event.text for event in run(settings({"optimizer.lr": [0.1, 0.01]}, epochs=1)) if isinstance(event, Note)]
    assert told[0].startswith("optimizer.lr 0.1: validation error ")
    assert told[0].endswith("% after 1 epoch")
    assert told[2] == "chosen: optimizer.lr 0.1"


def test_no_candidate_is_shown_the_test_images(monkeypatch):
    sizes, evaluate = [], loop.evaluate
    monkeypatch.setattr(loop, "evaluate", lambda of, part, *more, **how: sizes.append(len(part)) or evaluate(of, part))
    run(settings(train_curve=False))
    assert sizes.count(60) == 1
    assert sizes[-1] == 60


def test_what_diverges_is_not_chosen():
    search = run(settings({"optimizer.lr": [1e30, 0.1]}))[-1].values["search"]
    assert [each["diverged"] for each in search["candidates"]] == [True, False]
    assert search["chosen"] == 1


def test_where_all_diverge_the_first_is_trained_with():
    result = run(settings({"optimizer.lr": [1e30, 2e30]}))[-1].values
    assert (result["diverged"], result["search"]["chosen"]) == (True, 0)
    assert result["steps"] > 0


def test_of_equals_the_first_is_chosen():
    assert run(settings({"log_every": [1, 2, 3]}))[-1].values["search"]["chosen"] == 0


def test_without_a_grid_it_is_a_training():
    events = run(settings({}))
    assert events[-1].values["search"] is None
    assert unclocked(events[-1]) == unclocked(plain()[-1])


@pytest.mark.parametrize("stops", [(0, 1, 9), (10, 11), (12, 23, 30), (20, 21, 34)])
def test_a_search_stopped_anywhere_and_resumed_is_the_uninterrupted_one(stops):
    """Two candidates of 10 steps each and 15 steps of training."""
    chosen = settings({"optimizer.lr": [0.1, 0.01]})
    whole, (found, last) = run(chosen), runs.in_parts(chosen, stops, trial=search_and_train)
    assert found == measured(whole)
    assert unclocked(last[-1]) == unclocked(whole[-1])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["search.over.optimizer.lr=[0.1]"], "search: chooses by validation images"),
        (["search.over.optimizer.lr=0.1", "data.validation=9"], "search.over: optimizer.lr: a list of values to try"),
        (["search.over.optimizer.lr=[]", "data.validation=9"], "optimizer.lr: a list of values to try, not []"),
        (["search.over.optimizer.rate=[1]", "data.validation=9"], 'search.over: optimizer.rate: sgd has no "rate"'),
        (["search.over.optimizer.lr=[-1]", "data.validation=9"], "search.over: optimizer.lr"),
        (["search.over.epochs=[1,2]", "data.validation=9"], "search.over: epochs: is no choice"),
        (["search.epochs=0"], "search.epochs"),
    ],
)
def test_what_cannot_be_searched_is_refused(words, said):
    with pytest.raises(Mistakes) as caught:
        load(SearchedSettings, sets=words)
    assert said in str(caught.value)


def test_tables_dots_and_words_mean_the_same(tmp_path):
    file = tmp_path / "trial.toml"
    file.write_text("data.validation = 0.1\n[search.over.optimizer]\nlr = [0.1, 0.01]\n", encoding="utf-8")
    of_file = load(SearchedSettings, file=file)
    words = load(SearchedSettings, sets=["data.validation=0.1", "search.over.optimizer.lr=[0.1,0.01]"])
    dots = SearchedSettings(data={"validation": 0.1}, search={"over": {"optimizer.lr": [0.1, 0.01]}})
    assert of_file == words == dots
    assert SearchedSettings.model_validate(dots.model_dump(mode="json")) == dots


def test_the_result_holds_numbers_that_json_knows():
    search = run(settings({"optimizer.lr": [1e30, 0.1]}))[-1].values["search"]
    for each in search["candidates"]:
        assert all(value is None or math.isfinite(value) for key, value in each.items() if key != "values")


def test_it_ends_in_one_result():
    assert sum(isinstance(event, Result) for event in run(settings())) == 1
