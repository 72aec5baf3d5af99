"""The page of a whole network: what is in it, what is said of it, and how its numbers are packed."""

import base64
import gzip
import json
import re

import numpy as np
import pytest

import underhood
from underhood import nn
from underhood.errors import BadInput
from underhood.instruments.trace import explore, explorer, trace
from underhood.instruments.trace.packing import LEAST, MOST, digits, fitted, packed, thinned


def header(html):
    return json.loads(re.search(r'id="header">(.*?)</script>', html, re.DOTALL).group(1))


def unpacked(text, arrays):
    """As the page unpacks them."""
    planes = np.frombuffer(gzip.decompress(base64.b64decode(text)), np.uint8).reshape(4, -1)
    words, at, found = np.ascontiguousarray(planes.T).view("<u4").reshape(-1), 0, []
    for array in arrays:
        part = words[at : at + array.size]
        found.append(
            part.view(np.float32) if array.dtype.kind == "f" else np.cumsum(part.view(np.int32), dtype=np.int32)
        )
        at += array.size
    return found


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    special = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1e-42, 3.4e38], np.float32)
    return [rng.normal(size=5000).astype(np.float32), special, np.array([3, -1, 2**30, 0], np.int32), special[:0]]


def test_float32_and_positions_come_back_as_they_were(arrays):
    for a, b in zip(arrays, unpacked(packed(arrays, MOST), arrays), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("bits", [LEAST, 11, 16])
def test_thinned_numbers_are_right_to_half_of_the_last_bit(arrays, bits):
    x = arrays[0]
    off = np.abs(thinned(x, bits).astype(np.float64) - x) / np.abs(x)
    assert off.max() <= 2.0 ** -(bits + 1)
    assert off.max() > 2.0 ** -(bits + 3), "and no better: the rest is gone"
    assert 10.0 ** -digits(bits) >= 2.0 ** -(bits + 1)
    odd = thinned(arrays[1], bits)
    np.testing.assert_array_equal(np.isfinite(odd[:6]), np.isfinite(arrays[1][:6]))
    np.testing.assert_array_equal(odd[:2], 0)


def test_as_many_bits_are_kept_as_fit(arrays):
    whole = len(packed(arrays, MOST))
    assert fitted(arrays, whole)[1] == MOST
    text, bits = fitted(arrays, int(whole * 0.7))
    assert LEAST < bits < MOST
    assert len(text) <= whole * 0.7 < len(packed(arrays, bits + 1))
    assert fitted(arrays, 10)[1] == LEAST


NETS = {
    "layers": lambda: nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, groups=2),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 3),
    ),
}
KINDS = {
    "0": "conv2d",
    "1": "batch_norm",
    "2": "relu",
    "3": "max_pool2d",
    "4": "pick",
    "5": "linear",
    "E": "cross_entropy",
}


class SameWords(nn.Module):
    """The mean of words that are all the same: their number, though it picks none of them."""

    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(5, 4), nn.Linear(4, 3)

    def forward(self, i):
        return self.head(self.table(i * 0).mean(1))


def test_a_mean_of_equal_numbers_is_not_taken_for_one_of_them():
    found = header(explore(SameWords(), input="1,3:int64").html)
    kinds = {s["name"]: s["rule"]["kind"] for s in found["sources"] if s["kind"] == "line"}
    assert kinds["table"] == "pick"
    assert kinds["mean"] == "sums"


def test_the_page_writes_no_digit_that_it_is_not_sure_of():
    page = explore(NETS["layers"](), input=(1, 2, 8, 8))
    assert header(page.html)["digits"] == digits(page.bits)


def test_every_line_is_there_with_its_rule_and_the_numbers_that_trace_gives():
    underhood.manual_seed(0)
    net = NETS["layers"]()
    page = explore(net, input=(1, 2, 8, 8))
    found = header(page.html)
    lines = {s["name"]: s for s in found["sources"] if s["kind"] == "line"}
    assert {name: line["rule"]["kind"] for name, line in lines.items()} == KINDS
    text = re.search(r'id="numbers">(.*?)</script>', page.html, re.DOTALL).group(1)
    empty = [np.zeros(a["size"], np.float32 if a["type"] == "float" else np.int32) for a in found["arrays"]]
    numbers = unpacked(text, empty)
    for unit in ("0[0,3,2,1]", "1[0,3,2,1]", "5[0,2]"):
        name, position = unit[:-1].split("[")
        line = lines[name]
        k = np.ravel_multi_index(tuple(map(int, position.split(","))), line["shape"])
        assert numbers[line["value"]][k] == pytest.approx(trace(net, unit, input=(1, 2, 8, 8)).equation.value, rel=1e-6)
        slope = trace(net, gradient=unit, input=(1, 2, 8, 8)).equation.value
        assert numbers[line["gradient"]][k] == pytest.approx(slope, rel=1e-6, abs=1e-12)
    assert page.bits == MOST
    assert page.checked == 2 * (2 * 6 + 2)
    assert page.unruled == ()


def test_what_an_activation_in_place_wrote_over_is_still_there():
    underhood.manual_seed(0)
    found = trace(NETS["layers"](), "1[0,3,2,1]", input=(1, 2, 8, 8))
    for y in range(8):
        for x in range(8):
            found = trace(NETS["layers"](), f"1[0,3,{y},{x}]", input=(1, 2, 8, 8))
            assert found.agrees
            if found.equation.value < 0:
                return
    raise AssertionError("no negative number before the ReLU")


def test_an_operation_without_a_rule_is_said():
    class Sorted(nn.Module):
        def forward(self, x):
            return underhood.cumsum(x * x, 1).prod(1, keepdim=True)

    page = explore(Sorted(), input=(1, 5))
    assert page.unruled == ("prod",)
    assert "Without equations here: prod." in page.html
    assert "without equations: prod" in str(page)


def test_a_name_is_no_markup():
    class Evil(nn.Module):
        def forward(self, x):
            return self.get_submodule("</script><b>")(x)

    net = Evil()
    net._modules["</script><b>"] = nn.Linear(3, 2)
    page = explore(net, input=(1, 3))
    assert "</script><b>" not in page.html
    assert any(s["name"] == "</script><b>.weight" for s in header(page.html)["sources"])


def test_too_many_numbers_are_refused_in_a_line(monkeypatch):
    """All together: 6 of the input, 6 weights, 2 biases, 4 of the output, the gradient of each, and 4 of the loss's."""
    net = nn.Linear(3, 2)
    monkeypatch.setattr(explorer, "LARGEST", 39)
    with pytest.raises(BadInput, match="40 numbers are too many for a page"):
        explore(net, input=(2, 3))
    monkeypatch.setattr(explorer, "LARGEST", 40)
    assert explore(net, input=(2, 3)).html


def test_numbers_are_thinned_to_the_size_of_a_page_and_it_says_so(monkeypatch):
    monkeypatch.setattr(explorer, "AIM", 3_000)
    page = explore(NETS["layers"](), input=(1, 2, 8, 8))
    assert LEAST <= page.bits < MOST
    assert f"to {page.bits} bits of mantissa, {digits(page.bits)} decimal digits" in page.html
    assert header(page.html)["bits"] == page.bits


def test_a_running_sum_is_a_sum_of_all_before_it():
    """Its first number is a function of the one at its own position; the others are not."""

    class Running(nn.Module):
        def forward(self, x):
            return underhood.cumsum(x, 1)

    found = header(explore(Running(), input=(2, 5)).html)
    (line,) = (s for s in found["sources"] if s["kind"] == "line" and s["operation"] == "cumsum")
    assert line["rule"]["kind"] == "sums"


def test_the_first_lines_read_the_input_itself():
    found = header(explore(NETS["layers"](), input=(1, 2, 8, 8)).html)
    sources = found["sources"]
    assert sources[0]["kind"] == "input"
    assert any(0 in s["inputs"] for s in sources if s["kind"] == "line")
