"""A trial's id: the same question has the same id, whatever changes around it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underhood.errors import BadInput
from underhood.lab.trial import TrialSpec, _differing, canonical, is_importable, load_file, reference, resolve
from underhood.settings import Settings


class Before(Settings):
    lr: float = 0.01
    hidden: tuple[int, ...] = (64,)


class After(Settings):
    """The same settings a version later."""

    schedule: str = "none yet"
    hidden: tuple[int, ...] = (64,)
    lr: float = 0.01
    warmup: int | None = None


def spec(settings: Settings, seed: int = 0, data: str | None = None) -> TrialSpec:
    return TrialSpec("a:b", settings, seed, data)


def test_ids_never_change():
    """Written down when the store was first made: a change here orphans every result there is."""
    assert spec(Before()).id == "2d506033734e"
    assert spec(Before(lr=0.5, hidden=(1, 2)), 3, "d1").id == "b89dae505154"
    assert spec(Before(lr=0.5, hidden=(1, 2)), 3, "d1").group == "e4b4d887a6f0"


@given(st.floats(allow_nan=False), st.lists(st.integers(), max_size=3), st.integers(0, 9))
def test_a_setting_added_with_a_default_rekeys_nothing(lr, hidden, seed):
    values = {"lr": lr, "hidden": tuple(hidden)}
    assert spec(Before(**values), seed).id == spec(After(**values), seed).id
    assert spec(Before(**values), seed).id != spec(After(**values, warmup=1), seed).id


def test_everything_that_may_change_a_number_changes_the_id():
    specs = [
        spec(Before()),
        spec(Before(), 1),
        spec(Before(), 0, "d1"),
        spec(Before(lr=0.02)),
        TrialSpec("a:c", Before(), 0),
    ]
    assert len({each.id for each in specs}) == len(specs)


def test_a_group_is_a_setting_with_all_its_seeds():
    assert spec(Before(), 0).group == spec(Before(), 1).group != spec(Before(lr=1.0), 0).group


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values, max_size=5), st.randoms())
def test_the_order_of_keys_does_not_matter(value, random):
    keys = list(value)
    random.shuffle(keys)
    assert canonical({key: value[key] for key in keys}) == canonical(value)
    assert json.loads(canonical(value)) == value


def test_threads_are_a_setting():
    class Threaded(Settings):
        threads: int = 4

    assert spec(Threaded()).threads == 4
    assert spec(Before()).threads == 1


# ---- references


def test_a_trial_of_a_users_file_is_found_again(tiny):
    made = TrialSpec.of(tiny.walk, tiny.TinySettings(steps=3), 1)
    assert made.function == "tiny_study:walk"
    assert made.file == Path(tiny.__file__).resolve()
    assert made.load() is tiny.walk
    assert TrialSpec.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_moving_a_users_file_rekeys_nothing(tiny, tmp_path):
    moved = tmp_path / "tiny_study.py"
    moved.write_bytes(Path(tiny.__file__).read_bytes())
    other = load_file(moved)
    assert other.walk is not tiny.walk
    ours, theirs = (TrialSpec.of(each.walk, each.TinySettings(steps=3), 1) for each in (tiny, other))
    assert ours.id == theirs.id
    assert ours.file != theirs.file


def test_a_trial_of_a_package_goes_by_its_module():
    made = TrialSpec.of(subprocess.run, Before(), 0)
    assert (made.function, made.file) == ("subprocess:run", None)
    assert made.load() is subprocess.run


def test_what_can_not_be_found_by_name_is_refused():
    with pytest.raises(BadInput, match="must stand at the top of a module"):
        reference(lambda settings, seed, context: iter(()))

    def within(settings, seed, context): ...

    with pytest.raises(BadInput, match=r"within: a trial and its settings must stand at the top of a module"):
        reference(within)


def test_the_main_module_goes_by_its_file(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text(
        "from underhood.lab.trial import reference\ndef trial(settings, seed, context): ...\nprint(reference(trial))\n"
    )
    said = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout
    assert said.strip() == f"{script.resolve()}:trial"


def test_a_name_typed_at_a_prompt_is_refused():
    code = "from underhood.lab.trial import reference\ndef trial(): ...\nreference(trial)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "must stand in a file" in said.stderr


def test_a_file_loaded_by_path_is_not_importable(tiny):
    assert not is_importable(tiny)
    assert is_importable(sys.modules["underhood.lab.trial"])
    assert is_importable(sys.modules["json"])


def test_a_users_file_is_loaded_once_and_finds_its_neighbours(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "neighbour_of_mine.py").write_text("answer = 42\n")
    (tmp_path / "mine.py").write_text("from neighbour_of_mine import answer\nclass A:\n    b = answer\n")
    assert resolve(f"{tmp_path / 'mine.py'}:A.b") == 42
    assert load_file(tmp_path / "mine.py") is load_file(tmp_path / "mine.py")


def test_a_file_that_breaks_can_be_mended(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    file = tmp_path / "broken.py"
    file.write_text("1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        load_file(file)
    file.write_text("answer = 42  # mended\n")
    assert load_file(file).answer == 42


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(BadInput, match=r"none\.py: no such file"):
        load_file(tmp_path / "none.py")


@pytest.mark.parametrize(
    ("stored", "read", "differing"),
    [
        ({"a": 1}, {"a": 1, "since": 2}, []),
        ({"a": 1, "b": {"c": 2, "d": 3}}, {"a": 1, "b": {"c": 2, "d": 4}}, [("b.d", "3", "4")]),
        ({"a": 1, "b": 2}, {"a": 3}, [("a", "1", "3"), ("b", "2", "null")]),
        ({"a": {"b": 1}}, {"a": [1]}, [("a", '{"b":1}', "[1]")]),
        ({"a": [1, 2]}, {"a": {"b": 1}}, [("a", "[1,2]", '{"b":1}')]),
        ({"a": 1}, {"a": 1.0}, [("a", "1", "1.0")]),
        ({"a": {}}, {"a": None}, [("a", "{}", "null")]),
    ],
)
def test_settings_that_read_otherwise_are_told_by_their_keys(stored, read, differing):
    assert list(_differing(stored, read)) == differing
