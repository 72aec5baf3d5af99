"""region-proposals: boxes against published numbers, counted pixels and loops; the loss against PyTorch."""

import math
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import underhood
from underhood.errors import BadInput
from underhood.report.document import Equation
from underhood.studies import find, region_proposals
from underhood.studies.detection import selective_search
from underhood.studies.detection.boxes import clip, decode, encode, iou, nms, suppression
from underhood.studies.detection.rpn import BETA, anchor_boxes, anchor_sizes, as_maps, in_order, inside, labels, loss
from underhood.studies.detection.scenes import scene
from underhood.studies.region_proposals import RegionProposalsSettings, propose, trial
from underhood.trials import Context, Result


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return underhood.run("region-proposals", "smoke", runs=tmp_path_factory.mktemp("runs"), parallel=1)


def whole_boxes(rng, count, side=30):
    corners = rng.integers(0, side, (count, 2))
    return np.concatenate([corners, corners + rng.integers(1, side, (count, 2))], axis=1).astype(float)


# Boxes


def test_the_coding_is_the_published_one():
    coded = encode(np.array([[0.0, 0, 10, 20]]), np.array([[2.0, 3, 14, 18]]), (10, 10, 5, 5))[0]
    assert coded == pytest.approx([3, 0.25, 0.91160778, -1.43841036], abs=1e-8)


def test_decoding_undoes_coding():
    rng = np.random.default_rng(0)
    anchors, truths = whole_boxes(rng, 50), whole_boxes(rng, 50)
    for weights in ((1, 1, 1, 1), (10, 10, 5, 5)):
        np.testing.assert_allclose(decode(anchors, encode(anchors, truths, weights), weights), truths, atol=1e-9)


def test_no_box_explodes():
    (box,) = decode(np.array([[0.0, 0, 16, 16]]), np.array([[0.0, 0, 100, 100]]))
    assert box == pytest.approx([8 - 500, 8 - 500, 8 + 500, 8 + 500])


def test_iou_is_the_count_of_shared_pixels():
    rng = np.random.default_rng(1)
    a, b = whole_boxes(rng, 12), whole_boxes(rng, 9)

    def pixels(box):
        grid = np.zeros((64, 64), bool)
        left, top, right, bottom = box.astype(int)
        grid[top:bottom, left:right] = True
        return grid

    counted = [[(pixels(p) & pixels(q)).sum() / (pixels(p) | pixels(q)).sum() for q in b] for p in a]
    np.testing.assert_allclose(iou(a, b), counted)
    assert iou(a, a).diagonal() == pytest.approx(1)
    empty = np.array([[3.0, 3, 3, 3]])
    assert iou(empty, empty) == 0


def test_suppression_by_hand():
    boxes = np.array([[0.0, 0, 10, 10], [0, 0, 10, 7], [0, 0, 10, 5], [20, 20, 30, 30]])
    # of 0 with 1: 70/100, with 2: 50/100; of 1 with 2: 50/70
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    assert [step.kept for step in suppression(boxes, scores, 0.7)] == [0, 1, 3]  # 0.7 is not greater than 0.7
    assert [step.kept for step in suppression(boxes, scores, 0.69)] == [0, 2, 3]
    ((_, fraction),) = suppression(boxes, scores, 0.69)[0].removed
    assert fraction == pytest.approx(0.7)
    assert nms(boxes, np.array([0.5, 0.5, 0.9, 0.5]), 0.45).tolist() == [2, 3]


def test_of_equal_scores_the_first_stays():
    boxes = np.array([[0.0, 0, 10, 10], [0, 0, 10, 9]])
    assert nms(boxes, np.array([0.5, 0.5]), 0.5).tolist() == [0]


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9])
def test_both_forms_of_suppression_agree(threshold):
    rng = np.random.default_rng(2)
    boxes, scores = whole_boxes(rng, 200), rng.integers(0, 30, 200) / 30
    assert nms(boxes, scores, threshold).tolist() == [s.kept for s in suppression(boxes, scores, threshold)]
    assert len(nms(boxes[:0], scores[:0], threshold)) == 0


def test_clipping_cuts_at_the_border():
    assert clip(np.array([[-3.0, 5, 140, 200]]), 96, 128).tolist() == [[0, 5, 128, 96]]


# Anchors and what they are taught


def test_anchors_have_the_area_and_the_ratio():
    sizes = anchor_sizes([16, 26], [0.5, 1, 2])
    np.testing.assert_allclose(sizes.prod(1), [256] * 3 + [676] * 3)
    np.testing.assert_allclose(sizes[:, 1] / sizes[:, 0], [0.5, 1, 2] * 2)
    boxes = anchor_boxes(2, 3, sizes)
    assert len(boxes) == 36
    assert (boxes[6 * 4 + 1] == [12 - 8, 12 - 8, 12 + 8, 12 + 8]).all()  # row 1, column 1, scale 16, square


def test_the_paper_s_picture_counted_by_loops():
    count = 0
    for s in (128, 256, 512):
        for r in (0.5, 1, 2):
            w, h = s / math.sqrt(r), s * math.sqrt(r)
            columns = sum(8 + 16 * j - w / 2 >= 0 and 8 + 16 * j + w / 2 <= 1000 for j in range(62))
            rows = sum(8 + 16 * i - h / 2 >= 0 and 8 + 16 * i + h / 2 <= 600 for i in range(37))
            count += rows * columns
    anchors = anchor_boxes(37, 62, anchor_sizes([128, 256, 512], [0.5, 1, 2]), 16)
    assert (len(anchors), inside(anchors, 600, 1000).sum()) == (20_646, count)


def test_maps_and_lists_are_the_same_numbers():
    rng = np.random.default_rng(3)
    objectness, deltas = rng.standard_normal((3, 4, 5)), rng.standard_normal((12, 4, 5))
    logits, steps = in_order(objectness, deltas)
    assert logits[(2 * 5 + 3) * 3 + 1] == objectness[1, 2, 3]
    assert (steps[(2 * 5 + 3) * 3 + 1] == deltas[4:8, 2, 3]).all()
    for ours, given in zip(as_maps(logits, steps, objectness.shape), (objectness, deltas), strict=True):
        np.testing.assert_array_equal(ours, given)


def test_labels_follow_the_overlap():
    anchors = np.array([[0.0, 0, 10, 10], [0, 0, 10, 6], [0, 0, 10, 4], [50, 50, 60, 60], [-5, 0, 5, 10]])
    truths = np.array([[0.0, 0, 10, 10], [52, 52, 70, 70]])
    taught = labels(anchors, truths, (96, 128), (0.7, 0.3), 8, np.random.default_rng(0))
    # 0 fits, 3 is the second truth's best though it hardly fits; 1 and 2 lie between, 4 crosses the border
    assert sorted(taught.objects.tolist()) == [0, 3]
    assert set(taught.sampled.tolist()) == {0, 3}
    np.testing.assert_allclose(decode(anchors[taught.objects], taught.t), truths)


def test_a_truth_that_no_anchor_meets_makes_none_an_object():
    anchors = np.array([[0.0, 0, 10, 10], [20, 20, 30, 30]])
    taught = labels(anchors, np.array([[60.0, 60, 70, 70]]), (96, 128), (0.7, 0.3), 8, np.random.default_rng(0))
    assert taught.objects.tolist() == []
    assert sorted(taught.sampled.tolist()) == [0, 1]


def test_the_loss_and_its_gradient_are_pytorch_s():
    rng = np.random.default_rng(4)
    _, truths = scene(rng, 96, 128, 3)
    anchors = anchor_boxes(12, 16, anchor_sizes([16, 26, 42], [0.5, 1, 2]))
    taught = labels(anchors, truths, (96, 128), (0.5, 0.3), 64, rng)
    assert 0 < len(taught.objects) <= 32 < len(taught.sampled) == 64
    logits, deltas = rng.standard_normal(len(anchors)), rng.standard_normal((len(anchors), 4))
    first, second, d_logits, d_deltas = loss(logits, deltas, taught)
    z, t = (torch.tensor(values, requires_grad=True) for values in (logits, deltas))
    y = torch.tensor(taught.y.astype(float))
    objectness = torch.nn.functional.binary_cross_entropy_with_logits(z[taught.sampled], y)
    target = torch.tensor(taught.t)
    box = torch.nn.functional.smooth_l1_loss(t[taught.objects], target, reduction="sum", beta=BETA)
    box = box / len(taught.objects)
    (objectness + box).backward()
    assert (first, second) == pytest.approx((objectness.item(), box.item()))
    np.testing.assert_allclose(d_logits, z.grad.numpy(), atol=1e-12)
    np.testing.assert_allclose(d_deltas, t.grad.numpy(), atol=1e-12)


# Scenes and selective search


def test_a_scene_s_boxes_hold_its_objects():
    for seed in range(5):
        pixels, boxes = scene(np.random.default_rng(seed), 96, 128, 3)
        assert pixels.shape == (96, 128, 3)
        assert len(boxes) == 3
        assert inside(boxes, 96, 128).all()
        overlap = iou(boxes, boxes)
        assert (overlap[~np.eye(3, dtype=bool)] == 0).all()


def test_first_regions_are_joined_as_the_paper_says():
    """Felzenszwalb and Huttenlocher's rule, with regions as sets: two are joined by an edge that is no heavier than
    the heaviest within either and k / its size; then those that are too small."""
    rng = np.random.default_rng(5)
    colours = np.repeat(np.repeat(rng.random((3, 4, 3)), 6, 0), 5, 1) * 0.8 + rng.random((18, 20, 3)) * 0.2
    near = [((y, x), (y, x + 1)) for y in range(18) for x in range(19)]
    near += [((y, x), (y + 1, x)) for y in range(17) for x in range(20)]
    edges = sorted((float(np.linalg.norm(colours[a] - colours[b])), a, b) for a, b in near)
    region, heaviest = {pixel: frozenset([pixel]) for pixel in np.ndindex(18, 20)}, {}
    for small in (False, True):
        for weight, a, b in edges:
            both = [region[a], region[b]]
            within = min(heaviest.get(one, 0.0) + selective_search.SCALE / len(one) for one in both)
            join = min(map(len, both)) < selective_search.SMALLEST if small else weight <= within
            if region[a] is not region[b] and join:
                joined = both[0] | both[1]
                heaviest[joined] = weight
                region |= dict.fromkeys(joined, joined)
    found = selective_search.segments(colours)
    assert 3 < len(set(region.values())) == len(np.unique(found))
    assert all(len({found[pixel] for pixel in one}) == 1 for one in set(region.values()))


def test_selective_search_finds_plain_objects():
    pixels = np.full((40, 50, 3), 200, np.uint8)
    pixels[10:30, 5:20] = (200, 0, 0)
    pixels[5:15, 30:45] = (0, 0, 200)
    found = selective_search.proposals(pixels)
    for box in ([5, 10, 20, 30], [30, 5, 45, 15], [0, 0, 50, 40]):
        assert iou(np.array([box], float), found).max() == 1


# The study


def test_the_counts_shrink_and_the_checks_hold(run):
    found = run.trials[0].result
    c = found["counts"]
    assert c["anchors"] == c["decoded"] == 12 * 16 * 9
    assert c["anchors"] >= c["large"] >= c["best"] >= c["kept"] >= c["proposals"] >= c["sure"]
    assert found["torch_gap"] < 1e-9
    assert found["plain_nms"]
    removed = [row for step in found["suppressed"]["steps"] for row, _ in step["removed"]]
    kept = [step["kept"] for step in found["suppressed"]["steps"]]
    assert sorted(kept + removed) == list(range(len(found["suppressed"]["boxes"])))


def test_the_paper_s_anchors_are_counted_on_its_picture(run):
    """37 × 62 positions of 9 anchors on 600 rows of 1000 pixels; the paper: about 20,000, and 6,000 inside."""
    found = run.trials[0].result["paper_anchors"]
    assert found["anchors"] == 37 * 62 * 9
    inside = 0
    for size in (128, 256, 512):
        for ratio in (0.5, 1, 2):
            width, height = size / ratio**0.5, size * ratio**0.5
            across = sum(width / 2 <= 16 * (j + 0.5) <= 1000 - width / 2 for j in range(62))
            down = sum(height / 2 <= 16 * (i + 0.5) <= 600 - height / 2 for i in range(37))
            inside += across * down
    assert found["inside"] == pytest.approx(inside, rel=0.05)  # how anchors are rounded is the study's


def test_the_report_tells_the_numbers(run):
    found = run.trials[0].result
    document = find("region-proposals").report(run.results)
    assert f"**{found['counts']['kept']}** come out" in document.answer
    assert f"{found['times']['fast'][1]:.0f} ms" in document.answer
    fast, faster = found["times"]["fast"][2], found["times"]["faster"][2]
    times = f"{faster:.1f} ms for the network's {found['times']['proposed']} and {fast:.1f} ms for the search's"
    assert times in document.sections[0].blocks[-1]
    left = next(section for section in document.sections if section.title == "How many are left").blocks[0]
    counted = ("anchors", "inside", "decoded", "crossing", "large", "best", "kept", "proposals", "sure")
    assert [row["here"] for row in left.rows] == [found["counts"][name] for name in counted]
    page = (run.path / "report.html").read_text()
    assert "0.91160778" in page
    assert "Step by step" in page
    assert len(page) < 2_000_000


def test_the_sums_that_are_written_out_come_to_what_stands_there(run):
    blocks = [b for s in find("region-proposals").report(run.results).sections for b in s.blocks]
    written = "".join(b.latex for b in blocks if isinstance(b, Equation) and r"\cdot e^" in b.latex)
    moved = re.findall(r"&= ([\d.]+) \+ \(?(-?[\d.]+)\)? \\cdot ([\d.]+) = ([\d.]+)", written)
    stretched = re.findall(r"&= ([\d.]+) \\cdot e\^\{(-?[\d.]+)\} = ([\d.]+)", written)
    assert (len(moved), len(stretched)) == (2, 2)
    for x, d, w, to in moved:
        assert float(x) + float(d) * float(w) == pytest.approx(float(to), abs=0.0051 + 5e-5 * float(w))
    for w, d, to in stretched:
        assert float(w) * math.exp(float(d)) == pytest.approx(float(to), abs=0.0051 + 5e-5 * float(to))
    (table,) = [b for b in blocks if getattr(b, "name", "") == "decoded"]
    assert "-0.00" not in str(table)


def test_one_s_own_picture_and_the_engine(tmp_path):
    pixels, _ = scene(np.random.default_rng(0), 60, 120, 2)
    Image.fromarray(pixels).save(tmp_path / "own.png")
    small = {"image": str(tmp_path / "own.png"), "backend": "underhood", "steps": 2, "batch": 1, "test_scenes": 1}
    run = underhood.run("region-proposals", "smoke", set=small, runs=tmp_path, parallel=1)
    found = run.trials[0].result
    assert found["backend"] == "underhood"
    assert found["map"] == [8, 15]  # 60 and 120 over 8, rounded up
    assert found["torch_gap"] < 1e-9


def test_anchors_stand_over_the_whole_of_a_picture_that_is_not_square():
    maps = np.zeros((1, 2, 5)), np.zeros((4, 2, 5))
    trainer = SimpleNamespace(look=lambda picture: (None, *maps), sizes=np.array([[10.0, 10.0]]))
    anchors = propose(trainer, np.zeros((16, 40, 3)), RegionProposalsSettings())["anchors"]
    middles = (anchors[:, :2] + anchors[:, 2:]) / 2
    assert (middles.min(0).tolist(), middles.max(0).tolist()) == ([4, 4], [36, 12])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"image": "nowhere.png"}, 'there is no file "nowhere.png"'),
        ({"background": 0.8}, "background: 0.8 is above foreground"),
        ({"scales": [300]}, "no anchor fits"),
        ({"scales": [0]}, "scales"),
        ({"threshold": 1.5}, "threshold"),
        ({"backend": "torhc"}, 'did you mean "torch"'),
    ],
)
def test_bad_options_are_refused(settings, said, tmp_path):
    with pytest.raises(BadInput, match=said):
        underhood.run("region-proposals", "smoke", set=settings, runs=tmp_path)


def test_an_anchor_is_an_object_s_above_one_limit_and_background_below_the_other(monkeypatch):
    def trainer(*arguments):
        (positive, negative) = arguments[-1]
        assert (positive, negative) == (0.6, 0.2)
        raise InterruptedError

    monkeypatch.setattr(region_proposals, "Trainer", trainer)
    settings = RegionProposalsSettings(foreground=0.6, background=0.2)
    with pytest.raises(InterruptedError):
        list(trial(settings, 0, Context()))


def test_without_pytorch_the_engine_trains(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    settings = RegionProposalsSettings(steps=1, batch=1, test_scenes=1)
    found = next(event for event in trial(settings, 0, Context()) if isinstance(event, Result)).values
    assert (found["backend"], found["torch_gap"]) == ("underhood", None)
    (stored,) = run.trials
    lacking = SimpleNamespace(
        result=stored.result | {"torch_gap": None},
        settings=stored.settings,
        artefact=stored.artefact,
        metric=stored.metric,
    )
    document = find("region-proposals").report(SimpleNamespace(groups=[SimpleNamespace(counted=[lacking])]))
    assert any("PyTorch is not installed" in str(block) for block in document.sections[-1].blocks)


def test_another_picture_under_the_same_name_is_another_trial(tmp_path):
    path = tmp_path / "own.png"
    settings = []
    for value in (0, 9):
        Image.fromarray(np.full((60, 60, 3), value, np.uint8)).save(path)
        settings.append(RegionProposalsSettings(image=str(path)))
    assert settings[0] != settings[1]
    assert RegionProposalsSettings(image=str(path)) == settings[1]
    assert RegionProposalsSettings().image_content == ""


def test_what_is_no_picture_is_named(tmp_path):
    from underhood.studies.region_proposals import _picture

    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(BadInput, match=r"text\.png: not a picture"):
        _picture(RegionProposalsSettings(image=str(tmp_path / "text.png")), 0)


def test_what_clipping_leaves_too_small_is_dropped():
    """The first box has 5 of its 40 columns in the picture, the second lies beside it, the third is whole."""
    anchors = np.array([[-35.0, 0, 5, 40], [100, 0, 140, 40], [10, 10, 50, 50]])
    settings = RegionProposalsSettings(smallest=16)
    found = region_proposals._filtered(anchors, np.array([3.0, 2, 1]), np.zeros((3, 4)), 64, 96, settings)
    assert found["large"].tolist() == [2]
    assert found["kept"].tolist() == [2]
