"""`underhood studies` and `underhood show`."""

import pytest

from underhood.studies import names


def test_studies_are_listed_by_theme_with_their_times(underhood):
    said = underhood("studies")
    lines = said.out.splitlines()
    assert lines[0] == "Start here"
    assert lines[1].split()[0] == "quickstart"
    assert lines[2].split()[:2] == ["smoke", "5"]
    assert all(any(line.strip().startswith(f"{name} ") for line in lines) for name in names())


def test_studies_for_programs(underhood):
    said = underhood("studies", "--json").json
    assert said["schema"] == "underhood.studies/1"
    assert [study["name"] for study in said["studies"]] == names()
    assert list(said["studies"][0]["scales"]) == ["smoke", "quick", "full"]


def test_show_tells_question_scales_and_settings(underhood, study):
    said = underhood("show", study)
    lines = said.out.splitlines()
    assert "Which step size brings x² down fastest?" in lines
    assert "  lr: 0.1; 0.4" in lines
    assert "  smoke   5 steps, a second" in lines
    settings = {
        line.split()[0]: line.split()[1:] for line in lines[lines.index("Settings (--set KEY=VALUE)") + 1 :] if line
    }
    assert settings["lr"] == ["compared", "step", "size"]
    assert settings["start"] == ["1.0"]
    assert settings["breaks"] == ["false", "fail", "at", "the", "first", "step"]
    assert lines[-1] == f"underhood run {study} --scale smoke"


def test_show_names_what_a_setting_can_be(underhood):
    text = " ".join(underhood("show", "quickstart").out.split())
    assert "backend underhood one of underhood, torch" in text
    assert "network.name mlp one of mlp, " in text
    assert "optimizer: {name=sgd,lr=0.3}; " in text


@pytest.mark.parametrize("name", names())
def test_notes_stand_in_a_column_however_long_the_values(underhood, name):
    lines = underhood("show", name).out.splitlines()
    listed = lines[lines.index("Settings (--set KEY=VALUE)") + 1 : -2]
    notes = [line for line in listed if line.startswith(" " * 10)]
    assert len({len(line) - len(line.lstrip()) for line in notes}) <= 1
    assert all(len(line.strip()) > 2 and len(line) <= 100 for line in notes)


def test_show_for_programs(underhood, study):
    said = underhood("show", study, "--json").json
    assert said["schema"] == "underhood.study/1"
    assert said["name"] == "descent"
    assert said["axes"] == {"lr": [0.1, 0.4]}
    assert said["settings"]["properties"]["lr"]["default"] == 0.1
