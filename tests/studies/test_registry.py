"""Finding a study: those that ship by name, a user's own by its file."""

import re
from typing import get_args

import pytest

from underhood import studies
from underhood.errors import BadInput
from underhood.lab import Study, plan
from underhood.settings import load, settings_fields

FILE = """
from underhood.lab import Scale, Study
from underhood.settings import Settings


class Nothing(Settings):
    pass


def trial(settings, seed, context):
    yield


def study(name):
    return Study(name, "", "", "", "", Nothing, trial, {"smoke": Scale("", seeds=1)}, report=None)
"""


@pytest.fixture
def file(tmp_path):
    def write(*lines: str):
        path = tmp_path / "mine.py"
        path.write_text("\n".join([FILE.replace("def study", "def make"), *lines]))
        return path

    return write


@pytest.mark.parametrize("name", studies.names())
def test_a_study_that_ships_is_complete(name):
    study = studies.find(name)
    assert study.name == name
    assert study.title
    assert study.question.endswith("?")
    assert study.theme
    assert study.source
    assert list(study.scales) == ["smoke", "quick", "full"]
    assert all(scale.summary and scale.time for scale in study.scales.values())


SIGNED = {"x0", "example.filter_bias"}  # a position, an offset
FROM_ZERO = {  # an amount that may be none, or an index
    "clip.norm", "clip.value", "data.validation", "example.target", "goal", "histograms.epochs", "label_smoothing",
    "log_every", "lr", "optimizer.lr", "padding", "patience", "penalty.l1", "penalty.l2", "schedule.warmup",
    "smallest", "target",
}  # fmt: skip


@pytest.mark.parametrize("name", studies.names())
def test_a_number_below_what_means_something_is_refused(name):
    """No network on no pixels, no steps of a negative number: sizes and counts are from 1 on, amounts from 0 on."""
    settings = studies.find(name).settings
    for key, field in settings_fields(settings).items():
        kinds = {field.annotation, *get_args(field.annotation)}
        if kinds & {int, float} and key not in SIGNED:
            for value in ["-1", "-0.001"] + ["0"] * (key not in FROM_ZERO):
                with pytest.raises(BadInput, match=re.escape(key.rpartition(".")[2])):
                    load(settings, sets=[f"{key}={value}"])


def test_every_is_all_that_ship_in_order():
    assert [study.name for study in studies.every()] == studies.names()
    assert studies.names()[0] == "quickstart"


@pytest.mark.parametrize("scale", ["smoke", "quick", "full"])
def test_the_scales_of_quickstart_are_settings_that_load(scale):
    assert len(plan(studies.find("quickstart"), scale)) == 3 * studies.find("quickstart").scales[scale].seeds


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("quikstart", 'unknown study "quikstart"; did you mean "quickstart"?'),
        ("xyz", 'unknown study "xyz"; there is quickstart, '),
        ("nowhere.py", "nowhere.py: no such file"),
    ],
)
def test_an_unknown_study_is_named_with_the_nearest(word, said):
    with pytest.raises(BadInput) as caught:
        studies.find(word)
    assert said in str(caught.value)


def test_a_file_of_that_name_is_pointed_at(file, monkeypatch):
    monkeypatch.chdir(file('mine = make("mine")').parent)
    with pytest.raises(BadInput, match=r"`underhood run mine\.py` runs the study in it"):
        studies.find("mine")


def test_the_only_study_of_a_file_is_found(file):
    assert isinstance(studies.find(str(file('anything = make("mine")'))), Study)


def test_one_of_several_is_named(file):
    path = file('a = make("left")', 'b = make("right")', "again = b")
    assert studies.find(f"{path}:right").name == "right"
    with pytest.raises(BadInput, match=r"holds 2 studies; name one: .*mine\.py:left, .*mine\.py:right"):
        studies.find(str(path))
    with pytest.raises(BadInput, match=r'no study "rihgt"; did you mean "right"\?'):
        studies.find(f"{path}:rihgt")


def test_a_file_without_a_study_says_what_it_lacks(file):
    with pytest.raises(BadInput, match=r"holds no study; it should end in `study = Study\(...\)`"):
        studies.find(str(file()))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("import = 1", "mine.py:17: invalid syntax"),
        ("1 / 0", "mine.py:17: ZeroDivisionError: division by zero"),
        ("import nowhere", "mine.py:17: No module named 'nowhere'"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_line(file, line, said):
    path = file(line)
    with pytest.raises(BadInput) as caught:
        studies.find(str(path))
    assert str(caught.value) == f"{path.parent}/{said}"


def test_a_file_that_wants_an_extra_keeps_its_error(file):
    with pytest.raises(ModuleNotFoundError, match="nor here"):
        studies.find(str(file("raise ModuleNotFoundError('nor here', name='torch.nn')")))
