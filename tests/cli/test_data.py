"""`underhood data ls` and `underhood data verify`."""

import numpy as np


def test_ls_tells_what_is_here(underhood, no_data):
    said = underhood("data", "ls")
    assert said.status == 0
    assert "digits" in said.out
    assert str(no_data) in said.out


def test_ls_for_programs(underhood, no_data):
    said = underhood("data", "ls", "--json").json
    assert said["schema"] == "underhood.table/1"
    places = {row["name"]: row["place"] for row in said["rows"]}
    assert places.pop("digits") is not None
    assert set(places.values()) == {None}


def test_verify_checks_what_is_here(underhood, no_data):
    said = underhood("data", "verify")
    assert said.status == 0
    assert "Checking what is here: digits." in said.err
    assert "All files are sound." in said.err


def test_verify_of_a_set_that_is_not_here_says_where_it_should_be(underhood, no_data):
    said = underhood("data", "verify", "mnist")
    assert said.status == 2
    assert said.err.startswith(f"mnist: not found below {no_data}.")


def test_verify_names_the_nearest_set(underhood, no_data):
    assert 'data: unknown "mnits"; did you mean "mnist"' in underhood("data", "verify", "mnits").err


def test_a_damaged_file_is_exit_code_2(underhood, tmp_path):
    images = np.zeros((4, 1, 2, 2), np.uint8)
    arrays = {
        f"{part}_{what}": a for part in ("train", "test") for what, a in (("images", images), ("labels", [0, 1, 0, 1]))
    }
    np.savez(tmp_path / "mine.npz", **arrays)
    whole = underhood("data", "verify", str(tmp_path / "mine.npz"), "--json")
    assert (whole.status, whole.json["sound"]) == (0, True)
    (tmp_path / "mine.npz").write_bytes((tmp_path / "mine.npz").read_bytes()[:-100])
    cut = underhood("data", "verify", str(tmp_path / "mine.npz"))
    assert cut.status == 2
    assert "mine.npz" in cut.out + cut.err
