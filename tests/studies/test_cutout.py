"""cutout's masks and shares against PyTorch, loops and fractions worked by hand."""

import sys
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

import underhood
from underhood.errors import BadInput
from underhood.studies import find
from underhood.studies.cutout import CutoutSettings, trial
from underhood.studies.occlusion import report
from underhood.studies.occlusion.masks import drawn_centres, square_masks, unexplained
from underhood.trials import Artefact, Context, Result


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return underhood.run("cutout", "smoke", runs=tmp_path_factory.mktemp("runs"), parallel=1)


def result_of(**settings):
    given = {"data": "drawn", "draws": 500, "guessed": 5} | settings
    events = list(trial(CutoutSettings(**given), 0, Context()))
    return next(event for event in events if isinstance(event, Result)).values


@pytest.mark.parametrize(
    ("size", "length", "expected"),
    [
        (16, 32, Fraction(448, 1024)),  # 8 + … + 15, seventeen times 16, 15 + … + 9
        (2, 3, Fraction(1 + 2 + 2, 9)),
        (3, 3, Fraction(2 + 3 + 2, 9)),
        (1, 5, Fraction(1, 5)),
    ],
)
def test_the_expected_share_is_the_fraction_counted_by_hand(size, length, expected):
    hidden = square_masks(np.array([[[c, 0]] for c in range(length)]), size, length, 1)
    assert Fraction(int(hidden.sum()), length * length) == expected


@pytest.mark.parametrize("size", [1, 4, 5, 16, 50])
def test_masks_are_the_loops_of_the_authors_code(size):
    rng = np.random.default_rng(0)
    centres = drawn_centres(rng, 40, 2, 12, 17)
    for mask, holes in zip(square_masks(centres, size, 12, 17), centres, strict=True):
        expected = np.zeros((12, 17), bool)
        for y, x in holes:
            for i in range(y - size // 2, y - size // 2 + size):
                for j in range(x - size // 2, x - size // 2 + size):
                    if 0 <= i < 12 and 0 <= j < 17:
                        expected[i, j] = True
        np.testing.assert_array_equal(mask, expected)


def test_centres_reach_every_pixel_equally():
    centres = drawn_centres(np.random.default_rng(1), 40_000, 1, 4, 5)[:, 0]
    counts = np.bincount(centres[:, 0] * 5 + centres[:, 1], minlength=20)
    assert (np.abs(counts - 2000) < 5 * np.sqrt(2000)).all()


def test_the_run_agrees_with_counting_and_with_pytorch(run):
    (found,) = [trial.result for trial in run.trials]
    assert found["expected"] == pytest.approx(float(Fraction(14, 32) ** 2))
    assert abs(found["share"] - found["expected"]) < 5 * found["share_error"]
    assert found["torch_gap"] == 0
    assert found["guess_cutout"] > 2 * found["guess_dropout"]
    with np.load(run.trials[0].artefact("pictures.npz")) as arrays:
        before, after = arrays["before"], arrays["cutout"]
    for image, cut, (top, bottom, left, right) in zip(before, after, found["edges"], strict=True):
        hole = np.zeros((32, 32), bool)
        hole[top:bottom, left:right] = True
        np.testing.assert_array_equal(cut[:, ~hole], image[:, ~hole])
        assert (cut[:, hole] == np.array(found["mean_colour"])[:, None]).all()


def test_the_report_tells_the_numbers(run):
    found = run.trials[0].result
    document = find("cutout").report(run.results)
    assert f"{100 * found['share']:.1f} %" in document.answer
    page = (run.path / "report.html").read_text()
    assert "data:image/png;base64," in page
    assert "drawn" in page
    assert len(page) < 2_000_000


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"size": 16, "holes": 1, "centres": []}, ("one square an image", "S = 16 (", "centres drawn (")),
        ({"size": 8, "holes": 2, "centres": [[1, 2]]}, ("2 squares an image", "S = 8 (", "centres as set (")),
    ],
)
def test_what_is_assumed_is_what_was_set(settings, said):
    assert all(words in report._assumed(settings) for words in said)


def test_a_square_may_cross_the_border_where_it_is_put():
    found = result_of(centres=[[0, 31], [16, 16]], size=4)
    assert found["edges"] == [[0, 2, 29, 32], [14, 18, 14, 18]]
    assert found["hidden"] == [6, 16]


def test_a_unit_is_blind_when_its_window_is_hidden():
    found = result_of(size=64)  # more than the image, from whatever centre
    assert found["blind_cutout"] == [1.0] * 5
    found = result_of(size=1)
    assert found["blind_cutout"][0] == pytest.approx(1 / 1024)
    assert found["blind_cutout"][1:] == [0.0] * 4


def test_a_straight_slope_is_guessed_exactly_and_noise_is_not():
    slope = np.broadcast_to(np.linspace(-1, 1, 16), (1, 1, 16, 16)).copy()
    hole = np.zeros((1, 16, 16), bool)
    hole[:, 5:9, 6:10] = True
    assert unexplained(slope, hole) < 1e-6
    noise = np.random.default_rng(0).standard_normal((4, 1, 16, 16))
    assert unexplained(noise, np.repeat(hole, 4, axis=0)) > 0.8


def test_one_s_own_set_is_cut_too(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (20, 12, 10), dtype=np.uint8)
    np.savez(tmp_path / "own.npz", images=images, labels=np.arange(20) % 2)
    found = result_of(data=str(tmp_path / "own.npz"), size=4)
    assert found["shape"] == [1, 12, 10]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"size": 0}, "size"),
        ({"images": []}, "images"),
        ({"centres": [[1, 2]]}, "centres: 1 centres for 2 images"),
        ({"centres": [[-1, 2], [0, 0]]}, "centres: a centre is a pixel"),
        ({"sise": 8}, 'did you mean "size"'),
    ],
)
def test_bad_options_are_refused(settings, said, tmp_path):
    with pytest.raises(BadInput, match=said):
        underhood.run("cutout", "smoke", set=settings, runs=tmp_path)


def test_places_outside_the_images_are_named():
    with pytest.raises(BadInput, match="rows go to 31"):
        result_of(centres=[[32, 0], [0, 0]])
    with pytest.raises(BadInput, match="no image 2000"):
        result_of(images=[2000])


def test_without_the_data_the_pictures_are_drawn(tmp_path):
    events = list(trial(CutoutSettings(draws=100, guessed=2), 0, Context(data=tmp_path)))
    assert next(event for event in events if isinstance(event, Result)).values["source"] == "drawn"
    assert any(isinstance(event, Artefact) for event in events)


def test_without_pytorch_the_check_by_counting_stands_alone(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert result_of()["torch_gap"] is None
    (group,) = run.results.groups
    (stored,) = group.trials
    lacking = SimpleNamespace(
        result=stored.result | {"torch_gap": None}, settings=stored.settings, artefact=stored.artefact
    )
    document = find("cutout").report(SimpleNamespace(groups=[SimpleNamespace(counted=[lacking])]))
    assert any("PyTorch is not installed" in str(block) for block in document.sections[-1].blocks)
