"""conv-arithmetic against PyTorch, SciPy and sizes counted one by one."""

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d

import underhood
from underhood.errors import BadInput
from underhood.studies import conv_arithmetic as module
from underhood.studies import find

F1 = [[1, 0, -1], [2, 0, -2], [1, 0, -1]]
MAP = [[1, 2, 0, 1], [0, 1, 3, 2], [2, 0, 1, 1], [1, 3, 2, 0]]


def run(tmp_path, settings=()):
    found = underhood.run("conv-arithmetic", "smoke", set=settings, runs=tmp_path)
    assert found.state == "finished"
    result = found.results.groups[0].counted[0].result
    return result, find("conv-arithmetic").report(found.results)


def torch_conv(a, w, **how):
    return torch.nn.functional.conv2d(
        torch.tensor(a, dtype=torch.float64)[None, None], torch.tensor(w, dtype=torch.float64)[None, None], **how
    )[0, 0].numpy()


def test_the_worked_example(tmp_path):
    result, document = run(tmp_path)
    expected = torch_conv(MAP, F1, padding="same")
    assert result["first"]["pads"] == [1, 1, 1, 1]
    np.testing.assert_array_equal(result["first"]["map"], expected)
    np.testing.assert_array_equal(expected[0], [-5, -1, 1, 3])  # by hand: 2·(−2) + 1·(−1), …
    pooled = expected.reshape(2, 2, 2, 2).mean((1, 3))
    np.testing.assert_allclose(result["pooled"]["map"], pooled)
    np.testing.assert_allclose(result["pooled"]["convolved"], pooled)
    np.testing.assert_array_equal(result["pooled"]["filter"], np.full((2, 2), 0.25))
    assert "map" not in result["second"]
    assert "padding **1**" in document.answer
    assert "**no**" in document.answer


def test_the_written_sums_are_the_map(tmp_path):
    result, _ = run(tmp_path)
    for row in result["first"]["sums"]:
        text = row["sum"].replace("·", "*").replace("−", "-")
        total = sum(float(a) * float(b.strip("()")) for a, b in (term.split("*") for term in text.split(" + ")))
        assert total == row["value"] == result["first"]["map"][row["row"]][row["column"]]


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("padding", [0, 1, 2])
def test_strides_that_keep_the_size_are_all_found(kernel, size, padding):
    from underhood.studies.by_hand.small_maps import same_strides

    def places(stride):
        return sum(1 for start in range(0, size + 2 * padding, stride) if start + kernel <= size + 2 * padding)

    found = {row["stride"] for row in same_strides((size, size), (kernel, kernel), padding) if row["same"]}
    wanted = {stride for stride in range(1, size + 2 * padding + 1) if places(stride) == size}
    assert found == {stride for stride in wanted if stride <= max(found, default=0)}
    assert bool(found) == bool(wanted)


def test_a_stride_above_one_can_keep_the_size(tmp_path):
    settings = ["feature_map=[[1, 2], [3, 4]]", "filter2=[[1, 1], [1, 1]]"]
    result, document = run(tmp_path, settings)
    assert result["second"]["stride"] == 2
    np.testing.assert_array_equal(result["second"]["map"], [[1, 2], [3, 4]])
    assert "yes, with stride **2**" in document.answer


def test_an_even_filter_has_no_equal_padding(tmp_path):
    result, document = run(tmp_path, ["filter1=[[1, 2], [3, 4]]"])
    padded = np.pad(np.array(MAP), ((0, 1), (0, 1)))  # one more after than before, as PyTorch's padding="same"
    np.testing.assert_array_equal(result["first"]["map"], torch_conv(padded, [[1, 2], [3, 4]]))
    assert "no equal padding" in document.answer


def test_too_large_a_filter_is_explained(tmp_path):
    _, document = run(tmp_path, [f"filter2={[[1] * 5] * 5}"])
    assert "too small" in document.answer
    assert "padding 2" in document.answer


def test_flip_is_the_signal_processor_s_convolution(tmp_path):
    result, _ = run(tmp_path, ["flip=true"])
    np.testing.assert_allclose(result["first"]["map"], convolve2d(MAP, F1, mode="same"))


def test_maps_and_filters_from_files(tmp_path):
    (tmp_path / "map.csv").write_text("1, 2.5, 0\n0, 1, 3\n2, 0, -1\n")
    np.save(tmp_path / "filter.npy", np.array([[0, 1], [1, 0]]))
    result, _ = run(tmp_path, [f"feature_map={tmp_path / 'map.csv'}", f"filter2={tmp_path / 'filter.npy'}"])
    np.testing.assert_array_equal(
        result["first"]["map"], torch_conv([[1, 2.5, 0], [0, 1, 3], [2, 0, -1]], F1, padding=1)
    )
    assert result["second"]["filter"] == [[0, 1], [1, 0]]


def test_a_wide_map_and_a_wide_filter(tmp_path):
    result, document = run(tmp_path, ["feature_map=[[1, 2, 3, 4, 5], [5, 4, 3, 2, 1]]", "filter1=[[1, 1, 1, 1, 1]]"])
    assert result["first"]["pads"] == [0, 0, 2, 2]
    assert result["first"]["map"] == [[6, 10, 15, 14, 12], [12, 14, 15, 10, 6]]
    assert "**0** for rows and **2** for columns" in document.answer


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("feature_map=[[1, 2], [3]]", "feature_map: wants 1 to 32 rows of one length"),
        ("filter1=[]", "filter1: "),
        ("filter2=nowhere.csv", "filter2: nowhere.csv: cannot be read"),
        ("pool=5", "pool: a 5×5 pool doesn't fit on a map of 4×4"),
        ("pool_stride=0", "pool_stride: "),
        ("padding=-1", "padding: "),
        ('filter1=[["a"]]', "filter1: "),
        ("padding2=1", 'did you mean "padding"'),
    ],
)
def test_what_makes_no_sense_is_refused(setting, said, tmp_path):
    with pytest.raises(BadInput, match=said):
        underhood.run("conv-arithmetic", "smoke", set=[setting], runs=tmp_path)


@pytest.mark.parametrize(
    ("shape", "kernel", "padding", "said"),
    [
        ((5, 5), (3, 3), 0, "Even at stride 1 the filter finds only 5 + 0 − 3 + 1 = 3 positions along 5: the "
         "padding is too "
         "small for it, and larger strides leave fewer. It would take padding 1 on each side."),
        ((6, 5), (4, 3), 1, "5 positions along 6: the padding is too small for it, and larger strides leave fewer. "
         "It would "
         "take padding 1.5 on each side, which is no whole number."),
        ((5, 6), (3, 4), 1, "Even at stride 1 the filter finds only 6 + 2 − 4 + 1 = 5 positions along 6"),  # 5 stays
        ((5, 5), (3, 3), 2, "At stride 1 there are 5 + 4 − 3 + 1 = 7 positions, more than 5 (with padding 1 it "
         "would stay); "
         "at stride 2 only 4. A stride that gives 5 would lie above 6/5 and not above 6/4: no whole "
         "number does."),
        ((5, 5), (2, 2), 2, "= 8 positions, more than 5 (2p = K − 1 is needed there, and K − 1 = 1 is odd); at "
         "stride 2 "
         "only 4."),
        ((4, 2), (1, 9), 5, "Rows and columns would each need a stride of their own."),
    ],
)  # fmt: skip
def test_why_no_stride_keeps_the_size(shape, kernel, padding, said):
    assert said in module._why_not(shape, kernel, padding)


@pytest.mark.parametrize(("rows", "foot"), [(64, 1), (65, 2)])
def test_of_many_sums_the_first_are_written(rows, foot):
    found = module._sums("Sums", [{"row": i} for i in range(rows)], "sums")
    assert (len(found.rows), len(found.foot)) == (64, foot)
    assert found.foot[-1] == ("The first 64 of 65." if foot == 2 else "Rows and columns count from 0.")


def test_a_large_matrix_is_told_by_its_size():
    assert module._written([[1] * 6] * 6).startswith("$")
    assert module._written([[1] * 37]) == "a 1×37 map, below"
    assert module._written([[1] * 5] * 8) == "a 8×5 map, below"


def test_a_frame_marks_padding_that_is_alike_on_all_sides():
    assert module._frames([2, 2, 2, 2]) == [2, 0, 0]
    assert module._frames([2, 2, 1, 2]) == [0, 0, 0]
