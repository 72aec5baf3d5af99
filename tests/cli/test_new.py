"""`underhood new`: what it writes runs as it stands, and it never writes over anything."""

import pytest

from underhood.lab import open_run


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_new_study_runs_as_it_stands(underhood, runs):
    said = underhood("new", "study", "my-rates")
    assert (said.status, said.out) == (0, "")
    assert "underhood run my_rates.py --scale smoke" in said.err
    assert underhood("show", "my_rates.py").status == 0
    said = underhood("run", "my_rates.py", "--scale", "smoke")
    assert said.status == 0, said.err
    assert "comes first" in said.out
    run = open_run(runs / "my-rates-smoke")
    assert [group.label for group in run.results.groups] == ["sgd, lr 0.3", "adam, lr 0.01"]
    assert underhood("report", "my-rates-smoke").status == 0


def test_a_new_network_runs_as_it_stands(underhood, runs):
    assert underhood("new", "network", "small-net").status == 0
    counted = underhood("cost", "small_net.py:small_net", "--input", "1,1,8,8", "--json")
    assert counted.status == 0, counted.err
    # 1·16·9+16, BatchNorm 2·16, 16·32·9+32, 128·10+10
    words = ("run", "quickstart", "--scale", "smoke", "--set", "network=small_net.py:small_net")
    said = underhood(*words, "--set", "optimizer=adam", "--json")
    assert said.json["trials"][0]["result"]["parameters"] == 160 + 32 + 4640 + 1290


@pytest.mark.parametrize("kind", ["study", "network"])
def test_nothing_is_overwritten(underhood, tmp_path, kind):
    (tmp_path / "mine.py").write_text("a year's work\n")
    said = underhood("new", kind, "mine")
    assert (said.status, said.err) == (2, "mine.py: is there already; choose another name, or remove it\n")
    assert (tmp_path / "mine.py").read_text() == "a year's work\n"


@pytest.mark.parametrize("kind", ["study", "network"])
@pytest.mark.parametrize(
    "name", ["../../evil", "a/b", "", "2fast", "a b", "ä", "class", "json", "torch", "x" * 61, ".a"]
)
def test_names_that_are_none(underhood, tmp_path, kind, name):
    said = underhood("new", kind, name)
    assert said.status == 2
    assert f'new: "{name}" is ' in said.err
    assert not list(tmp_path.rglob("*.py"))
