"""AlexNet's sums against the paper's, worked out here by hand."""

import pytest

import underhood
from underhood.studies import find

LAYERS = {
    "conv1": (11 * 11 * 3) * 96 + 96,
    "conv2": (5 * 5 * 48) * 256 + 256,
    "conv3": (3 * 3 * 256) * 384 + 384,
    "conv4": (3 * 3 * 192) * 384 + 384,
    "conv5": (3 * 3 * 192) * 256 + 256,
    "fc1": 9216 * 4096 + 4096,
    "fc2": 4096 * 4096 + 4096,
    "fc3": 4096 * 1000 + 1000,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return underhood.run("alexnet-parameters", "quick", runs=tmp_path_factory.mktemp("runs"), parallel=1)


def tables(run):
    document = find("alexnet-parameters").report(run.results)
    blocks = [block for section in document.sections for block in section.blocks]
    return document, {block.name: block for block in blocks if hasattr(block, "rows")}


def test_every_layer_s_sum(run):
    _, found = tables(run)
    rows = {row["layer"]: row for row in found["layers"].rows}
    assert {name: rows[name]["parameters"] for name in LAYERS} == LAYERS
    assert rows["total"]["parameters"] == sum(LAYERS.values()) == 60_965_224
    assert rows["conv2"]["sum"] == "(5·5·48)·256 + 256"
    assert (rows["conv1"]["stride"], rows["conv2"]["padding"], rows["conv2"]["groups"]) == (4, 2, 2)


def test_the_three_networks_are_reconciled(run):
    document, found = tables(run)
    total = next(row for row in found["side-by-side"].rows if row["layer"] == "total")
    assert (total["alexnet"], total["alexnet-ungrouped"], total["alexnet-today"]) == (
        60_965_224,
        62_378_344,
        61_100_840,
    )
    texts = [b for s in document.sections for b in s.blocks if isinstance(b, str)]
    (joined,) = [text for text in texts if text.startswith("as published → groups joined")]
    gaps = [int(word.replace(",", "")) for word in joined.split("+")[1:] for word in [word.split()[0]]]
    assert 60_965_224 + sum(gaps) == 62_378_344


def test_all_checks_hold_and_the_answer_has_the_number(run):
    document, found = tables(run)
    assert len(found["checks"].rows) == 9
    assert all(row["agrees"] for row in found["checks"].rows)
    assert "**60,965,224**" in document.answer
    assert len((run.path / "report.html").read_text()) < 2_000_000


def test_other_classes_and_other_networks(tmp_path):
    run = underhood.run("alexnet-parameters", "smoke", set={"classes": 10}, runs=tmp_path, parallel=1)
    (group,) = run.results.groups
    assert group.summary("parameters").mean == 60_965_224 - 990 * 4097
    document, found = tables(run)
    assert document.answer.startswith("AlexNet as published, but for 10 classes, has **56,909,194** parameters")
    assert found["layers"].title == "AlexNet as published, but for 10 classes"
    run = underhood.run("alexnet-parameters", "smoke", set={"network": "vgg16"}, runs=tmp_path, name="v", parallel=1)
    assert "138,357,544" in find("alexnet-parameters").report(run.results).answer
