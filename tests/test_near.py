"""The tester that finds differences finds them."""

from tests.near import differences, words

NEAR = 0.02


def test_a_difference_is_found():
    before = {"a": [1, 2.0, {"b": "x"}]}
    assert list(differences(before, before, NEAR)) == []
    for now in ({"a": [2, 2.0, {"b": "x"}]}, {"a": [1, 2.1, {"b": "x"}]}, {"a": [1, 2.0, {"b": "y"}]}):
        assert len(list(differences(now, before, NEAR))) == 1
    assert list(differences({"a": [1, 2.0]}, before, NEAR)) == [(".a", [1, 2.0], before["a"])]
    assert list(differences({}, before, NEAR)) == [("", {}, before)]
    assert list(differences({"a": [1, 2.01, {"b": "x"}]}, before, NEAR)) == []
    assert list(differences(words("n = 1,024, −2.00 %"), words("n = 1,025, −2.01 %"), NEAR)) == []
    assert list(differences(words("n = 1,024 of 9"), words("n = 1,024 of 8"), NEAR)) == [("[0][3]", 9.0, 8.0)]
