"""What the counting studies share."""

import json

import pytest
from torch import nn

from underhood.errors import BadInput
from underhood.lab.study import settings_of
from underhood.studies import find
from underhood.studies.counting.costs import check, checks_table, counted, geometry, with_weights


def test_a_wrong_check_is_said_in_the_foot():
    right, wrong = check("a", 1, 1), check("b", 1, 2)
    assert checks_table([right]).foot == ["All are equal."]
    assert checks_table([right, wrong]).foot == ["Not equal: b. Do not rely on this report."]


def test_geometry():
    conv = nn.Conv2d(4, 4, (3, 5), stride=2, padding=(0, 2), groups=2)
    assert geometry(conv) == {"kernel": "3×5", "stride": 2, "padding": "0×2", "groups": 2}
    assert geometry(nn.Linear(2, 2)) == geometry(None) == {}


@pytest.mark.parametrize("verify", [False, True])
def test_counted_is_plain_data(verify):
    found = counted("listing1", verify=verify)
    assert json.loads(json.dumps(found)) == found
    assert [layer["label"] for layer in with_weights(found)] == ["conv1", "conv2", "fc1", "fc2"]
    assert all(one["agrees"] for one in found["checks"])
    assert len(found["checks"]) == (4 if verify else 2)


@pytest.mark.parametrize("study", ["receptive-field", "alexnet-parameters", "layer-profile"])
def test_a_slip_in_a_networks_name_is_told_before_anything_runs(study):
    chosen, scale = find(study), find(study).scale("smoke")
    with pytest.raises(BadInput, match='there is no network "resnet2": did you mean "resnet'):
        settings_of(chosen, scale, ["network=resnet2"])
    for right in ("resnet20", "net.py:Net", "package.module:Net"):
        assert [each.network for each in settings_of(chosen, scale, [f"network={right}"])] == [right]


def test_a_word_of_the_study_s_own_is_no_slip():
    chosen = find("receptive-field")
    assert [each.network for each in settings_of(chosen, chosen.scale("smoke"), ["network=stack"])] == ["stack"]
