"""`underhood profile` and `underhood memory` from the shell's side."""

import pytest


def test_profile_prints_tables_and_json(underhood):
    words = ("profile", "mlp", "--batch", "2", "--seconds", "0.05", "--threads", "1")
    said = underhood(*words)
    assert said.status == 0
    assert "sum of the layers" in said.out
    assert said.err == ""
    data = underhood(*words, "--json").json
    assert data["schema"] == "underhood.profile/1"
    assert data["threads"] == 1


def test_profile_writes_a_page(underhood, tmp_path):
    said = underhood("profile", "mlp", "--seconds", "0.05", "--html", str(tmp_path / "p.html"), "--csv")
    assert said.out.startswith("backend,batch,layer")
    assert "Written" in said.err
    assert "<svg" in (tmp_path / "p.html").read_text()


def test_memory_prints_the_peak_and_what_fits(underhood, monkeypatch):
    monkeypatch.setattr("underhood.instruments.memory.predict.runtime_bytes", lambda *_, **__: 10**8)
    said = underhood("memory", "listing1", "--batch", "4", "--optimizer", "adam", "--fit", "512MB")
    assert said.status == 0
    assert "Largest batch" in said.out
    assert "A batch of 4 fits" in said.out
    assert underhood("memory", "listing1", "--json").json["schema"] == "underhood.memory/1"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("memory", "lisitng1"), "listing1"),
        (("memory", "listing1", "--optimizer", "adm"), 'did you mean "adam"'),
        (("memory", "listing1", "--fit", "many"), "no size"),
        (("profile", "listing1", "--batch", "0"), "batch: at least 1"),
        (("profile", "listing1", "--dtype", "float31"), "float32"),
    ],
)
def test_mistakes_have_exit_code_2(underhood, words, said):
    found = underhood(*words)
    assert found.status == 2
    assert said in found.err


@pytest.mark.parametrize(
    "words",
    [("cost", "simple-nn", "--csv"), ("trace", "simple-nn", "--unit", "fc1[7]", "--json")],
    ids=lambda words: words[0],
)
def test_the_shape_of_one_image_is_a_batch_of_one(words, underhood):
    image, batch = (underhood(*words, "--input", shape) for shape in ("3,32,32", "1,3,32,32"))
    assert (image.status, image.out) == (0, batch.out)
    assert image.out


def test_memory_takes_the_shape_of_one_image_too(underhood):
    image, batch = (underhood("memory", "simple-nn", "--json", "--input", shape) for shape in ("3,32,32", "1,3,32,32"))
    (one,), (other,) = image.json["steps"], batch.json["steps"]
    assert one["batch"] == other["batch"] == 1
    assert one["kinds"]["activations"] == other["kinds"]["activations"] > 0
