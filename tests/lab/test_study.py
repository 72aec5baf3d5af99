"""A study's plan: axes × seeds, what the user fixes, and what is wrong, all at once."""

import dataclasses
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underhood.errors import BadInput
from underhood.lab import Scale, Study, load_file, plan
from underhood.settings import Mistakes, Settings, value_at


class Inner(Settings):
    name: str = "sgd"
    lr: float = 0.01


class Outer(Settings):
    optimizer: Inner = Inner()
    size: int = 1
    data: str | None = None


def trial(settings, seed, context):
    yield from ()


STUDY = Study(
    name="two-axes",
    title="Two axes",
    question="Which?",
    theme="tests",
    source="none",
    settings=Outer,
    trial=trial,
    axes={"optimizer.name": ["sgd", "adam"], "size": [1, 2, 3]},
    scales={
        "smoke": Scale("tiny", seeds=1, set={"optimizer.lr": 0.5}),
        "quick": Scale("small", seeds=2),
        "full": Scale("large", seeds=3, axes={"size": [7]}),
    },
    report=lambda results: None,
)


def points(*arguments, **options):
    return [(s.settings.optimizer.name, s.settings.size, s.seed) for s in plan(STUDY, *arguments, **options)]


def test_axes_times_seeds_with_every_setting_before_a_second_seed():
    assert points("quick") == [(n, s, seed) for seed in (0, 1) for n in ("sgd", "adam") for s in (1, 2, 3)]


def test_a_scale_sets_settings_axes_and_seeds():
    assert {spec.settings.optimizer.lr for spec in plan(STUDY, "smoke")} == {0.5}
    assert points("full") == [("sgd", 7, 0), ("sgd", 7, 1), ("sgd", 7, 2)]
    assert len(points("smoke", seeds=4)) == 6 * 4


@pytest.mark.parametrize(
    ("word", "names", "sizes"),
    [
        ("optimizer.name=adam", {"adam"}, {1, 2, 3}),
        ("optimizer=rmsprop", {"rmsprop"}, {1, 2, 3}),
        ("size=2", {"sgd", "adam"}, {2}),
        ("optimizer.lr=0.1", {"sgd", "adam"}, {1, 2, 3}),
        ("optimizer={lr=0.1}", {"sgd", "adam"}, {1, 2, 3}),
    ],
)
def test_an_axis_that_the_user_fixes_is_no_axis(word, names, sizes):
    found = points("smoke", [word])
    assert {name for name, _, _ in found} == names
    assert {size for _, size, _ in found} == sizes
    assert len(found) == len(names) * len(sizes)


def test_a_settings_file_fixes_axes_too(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("[optimizer]\nname = 'adam'\n")
    assert points("smoke", file=file) == [("adam", 1, 0), ("adam", 2, 0), ("adam", 3, 0)]
    file.write_text("[optimizer]\nlr = 0.25\n")
    assert len(points("smoke", file=file)) == 6
    assert {s.settings.optimizer.lr for s in plan(STUDY, "smoke", file=file)} == {0.25}


def test_a_grid_makes_and_replaces_axes():
    found = plan(STUDY, "smoke", grid=["size=8,9", "optimizer.lr=0.1,1"])
    assert [(s.settings.optimizer.name, s.settings.size, s.settings.optimizer.lr) for s in found] == [
        (name, size, lr) for name in ("sgd", "adam") for size in (8, 9) for lr in (0.1, 1.0)
    ]


def test_an_axis_of_whole_tables():
    axes = {"optimizer": [{"name": "adam", "lr": 1e-3}, "sgd"]}
    study = dataclasses.replace(STUDY, axes=axes)
    assert [s.settings.optimizer for s in plan(study, "quick", seeds=1)] == [
        Inner(name="adam", lr=1e-3),
        Inner(name="sgd"),
    ]


PAIRED = dataclasses.replace(
    STUDY, axes=[{"optimizer.lr": [1.0, 0.1], "size": [3]}, {"optimizer.lr": [0.01], "size": [5]}]
)


def pairs(*words, **options):
    return [(s.settings.optimizer.lr, s.settings.size) for s in plan(PAIRED, "quick", *words, seeds=1, **options)]


def test_several_grids_are_run_one_after_the_other():
    assert pairs() == [(1.0, 3), (0.1, 3), (0.01, 5)]
    again = dataclasses.replace(PAIRED, axes=[*PAIRED.axes, {"optimizer.lr": [0.1, 0.2], "size": [3]}])
    assert [spec.settings.optimizer.lr for spec in plan(again, "quick", seeds=1)] == [1.0, 0.1, 0.01, 0.2]


def test_what_the_user_fixes_keeps_what_stands_beside_it():
    assert pairs(["optimizer.lr=0.01"]) == [(0.01, 5)]
    assert pairs(["optimizer.lr=0.1"]) == [(0.1, 3)]
    assert pairs(["optimizer.lr=0.5"]) == [(0.5, 3)]  # on no grid: as on the first
    assert pairs(["size=5"]) == [(0.01, 5)]
    assert pairs(["size=5", "optimizer.lr=1.0"]) == [(1.0, 5)]
    assert pairs(["data=x"]) == pairs()


def test_a_grid_of_the_user_s_takes_what_stands_beside_each_of_its_values():
    assert pairs(grid=["optimizer.lr=0.01,0.1,0.7"]) == [(0.1, 3), (0.7, 3), (0.01, 5)]
    assert pairs(grid=["optimizer.name=adam,sgd"]) == [(lr, n) for lr, n in pairs() for _ in range(2)]


def test_what_comes_to_the_same_trial_is_one_trial():
    assert len(plan(STUDY, "smoke", grid=["size=1,1,1.0"])) == 2


def test_more_seeds_and_longer_axes_keep_the_old_ids():
    few = {spec.id for spec in plan(STUDY, "quick", seeds=2)}
    many = {spec.id for spec in plan(STUDY, "quick", seeds=3, grid=["size=1,2,3,4"])}
    assert few < many
    assert len(many) == 2 * 4 * 3


@given(st.permutations(["optimizer.lr=0.5", "size=4", "optimizer.name=adam"]))
def test_the_order_of_words_does_not_matter(words):
    assert [s.id for s in plan(STUDY, "quick", words)] == [
        s.id for s in plan(STUDY, "quick", ["size=4", "optimizer={name='adam', lr=0.5}"])
    ]


def test_all_mistakes_of_a_plan_at_once(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("\n[optimizer]\nlrr = 3\n")
    study = dataclasses.replace(STUDY, axes={"optimizer.name": ["sgd", 3], "sizes": [1]})
    with pytest.raises(Mistakes) as caught:
        plan(study, "quick", ["data=false"], file=file, grid=["size=1,big", "depth=1,2", "lonely", "data=a,b"])
    said = [line.replace(f"{tmp_path}/", "") for line in caught.value.lines]
    assert sorted(said) == sorted(
        [
            "--grid lonely: write it as --grid KEY=A,B,C",
            "--grid data: is fixed by --set or the settings file too",
            "study two-axes: axis optimizer.name: 3 should be a valid string",
            'study two-axes: axis sizes: unknown setting; did you mean "size"?',
            '--grid size: "big" should be a valid integer, unable to parse string as an integer',
            "--grid depth: unknown setting; there is optimizer, size, data",
            'mine.toml:3: optimizer.lrr: unknown setting; did you mean "lr"?',
            "--set data: false should be a valid string",
        ]
    )


def test_an_unknown_scale_and_too_few_seeds():
    with pytest.raises(BadInput, match=r'two-axes: unknown scale "quik"; did you mean "quick"\?'):
        plan(STUDY, "quik")
    with pytest.raises(BadInput, match="--seeds 0"):
        plan(STUDY, "quick", seeds=0)


def test_the_datas_content_is_part_of_the_id(monkeypatch):
    asked = []
    monkeypatch.setattr("underhood.data.fingerprint", lambda name, root: asked.append(name) or f"of {name}")
    study = dataclasses.replace(STUDY, data=lambda settings: settings.data)
    specs = plan(study, "smoke", ["optimizer=adam", "size=1"], grid=["data=none,mnist"], seeds=2)
    assert [spec.data_fingerprint for spec in specs] == [None, "of mnist"] * 2
    assert asked == ["mnist"]
    assert len({spec.id for spec in specs}) == 4


def test_a_study_of_no_axes_is_one_setting():
    study = dataclasses.replace(STUDY, axes={})
    assert [value_at(spec.settings, "size") for spec in plan(study, "smoke")] == [1]


def test_a_study_knows_the_users_file_it_stands_in(tiny):
    assert tiny.study.file == Path(tiny.__file__).resolve()
    packaged = dataclasses.replace(STUDY, report=subprocess.run, trial=subprocess.run, settings=Settings)
    assert packaged.file is None
    of_both = dataclasses.replace(packaged, report=tiny.study.report)
    assert of_both.file == Path(tiny.__file__).resolve()


def test_any_file_can_be_the_data(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("1,2\n")
    study = dataclasses.replace(STUDY, data=lambda settings: table)
    ids = [spec.id for spec in plan(study, "smoke")]
    assert [spec.id for spec in plan(study, "smoke")] == ids
    table.write_text("1,3\n")
    assert not set(ids) & {spec.id for spec in plan(study, "smoke")}
    table.unlink()
    with pytest.raises(BadInput, match=r"table.csv: cannot be read: No such file"):
        plan(study, "smoke")


def test_a_study_that_trains_has_its_data_in_its_ids_without_naming_them(tmp_path):
    import numpy as np

    path = tmp_path / "shapes.npz"
    found = []
    for seed in (0, 1):
        images = np.random.default_rng(seed).integers(0, 255, (20, 4, 4)).astype(np.uint8)
        np.savez(path, images=images, labels=np.arange(20) % 2)
        found.append(plan(Study("own", base={"data": str(path)}), seeds=1)[0])
    assert found[0].settings == found[1].settings
    assert found[0].id != found[1].id


def test_a_study_of_defaults_knows_the_file_that_makes_it(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("from underhood.lab import Study\n\nstudy = Study('mine')\n")
    study = load_file(file).study
    assert study.file == file
    assert dataclasses.replace(study, title="Other").file == file
