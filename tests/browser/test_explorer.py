"""The explorer in a real browser: its equations are trace's, and it answers to clicks, keys, names and themes."""

import re

import numpy as np
import pytest

import underhood
from underhood import nn
from underhood.instruments.trace import explore, trace

pytestmark = pytest.mark.slow
F = underhood.functional


class Mixed(nn.Module):
    """What the networks of the sheets do not have: uneven strides, groups, pools of both kinds, products, softmax."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.depthwise = nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.row = nn.LayerNorm(6)
        self.query, self.last = nn.Linear(6, 6), nn.Linear(24, 3)

    def forward(self, x):
        a = F.relu(self.norm(self.first(x)))
        a = a + F.sigmoid(self.depthwise(a)) * 0.5 - a * a.mean((2, 3), keepdim=True)
        a = F.max_pool2d(a, 3, stride=2, padding=1)
        a = F.avg_pool2d(F.pad(a, (0, 1, 0, 0)), (1, 2), stride=1)
        a = underhood.cat([a, a.flip(3)], 3)[:, :, 0, :6]
        a = self.row(a)
        a = F.softmax(self.query(a) @ a.transpose(1, 2) / 2, dim=-1) @ a
        return F.log_softmax(self.last(a.flatten(1)), dim=1)


class Mean(nn.Module):
    """Whose loss is the output's mean, since it is no row of logits; one row goes through twice."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return F.tanh(self.layer(F.gelu(self.layer(x))))


NETS = {"simple-nn": ("simple-nn", None), "mixed": (Mixed, (1, 2, 8, 5)), "mean": (Mean, (1, 3, 4))}


@pytest.fixture(scope="module", params=["simple-nn", "mixed", "mean"])
def explored(request, tmp_path_factory):
    """The network, its input, and the address of its page."""
    made, shape = NETS[request.param]
    underhood.manual_seed(1)
    network = made if isinstance(made, str) else made()
    if not isinstance(network, str):
        for p in network.parameters():
            underhood.nn.init.normal_(p)
    path = tmp_path_factory.mktemp("explorer") / "page.html"
    path.write_text(explore(network, input=shape).html, encoding="utf-8")
    return network, shape, path.as_uri()


def ready(page):
    page.wait_for_selector("body[data-ready=yes]")
    return page


EQUATION = """([text, gradients]) => {
    const {source, k} = explorer.find(text);
    const found = (gradients ? explorer.gradient : explorer.activation)(source, k);
    return found && {value: found.value, total: found.total, terms: found.terms.map((each) => each.value)};
}"""


def units(page, seed):
    """Some positions of every source: the first, the last, and some by lot."""
    rng = np.random.default_rng(seed)
    for name, shape in page.evaluate(
        "explorer.sources.filter((s) => s.kind !== 'constant').map((s) => [s.name, s.shape])"
    ):
        corners = [[0] * len(shape), [n - 1 for n in shape]]
        lots = [[int(rng.integers(n)) for n in shape] for _ in range(2)]
        for position in corners + lots if shape else [[]]:
            yield f"{name}[{','.join(map(str, position))}]" if shape else name


def test_every_equation_is_the_one_of_trace(open_address, explored):
    network, shape, address = explored
    page = ready(open_address(address))
    count = 0
    for unit in units(page, 0):
        for gradients in (False, True):
            found = page.evaluate(EQUATION, [unit, gradients])
            ours = trace(network, **{"gradient" if gradients else "unit": unit}, input=shape, terms=10**6).equation
            if found is None:
                assert gradients, f"{unit} has no equation"
                assert ours.value == 0
                continue
            size = max([abs(ours.value), *(abs(t.value) for t in ours.terms)])
            assert found["value"] == pytest.approx(ours.value, abs=1e-5 * size + 1e-12), unit
            assert found["total"] == pytest.approx(ours.total, abs=1e-4 * size + 1e-12), unit
            expected = sorted((abs(t.value) for t in ours.terms if t.value), reverse=True)
            terms = sorted((abs(value) for value in found["terms"] if abs(value) > 1e-12 * size), reverse=True)
            if ours.terms and found["terms"]:
                np.testing.assert_allclose(terms[: len(expected)], expected[: len(terms)], rtol=1e-3, atol=1e-5 * size)
            count += 1
    assert count > 20


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("explorer") / "page.html"
    path.write_text(explore("simple-nn").html, encoding="utf-8")
    return path.as_uri()


def test_a_click_unfolds_a_number_and_its_names_unfold_on(open_address, address):
    page = ready(open_address(address))
    page.locator("#source-0 canvas").first.scroll_into_view_if_needed()
    conv = page.locator("section", has=page.locator("h2", has_text="conv1")).locator("canvas").first
    conv.click(position={"x": 20, "y": 25})
    summary = page.locator("#equation summary").first
    assert summary.inner_text().startswith("conv1[0,0,")
    assert page.locator("#equation tbody tr").count() == 9, "eight summands, and the others together"
    page.get_by_role("button", name="Show more").click()
    assert page.locator("#equation tbody tr").count() == 49
    assert "the engine's number is" in page.locator("#equation .check").inner_text()
    assert page.locator("#equation .wrong").count() == 0
    page.get_by_label("Unit").fill("fc1[7]")
    page.get_by_role("button", name="Go").click()
    page.locator("#equation button.name").first.click()
    assert page.locator("#equation details.inner summary").count() == 1, "the name unfolded below"


@pytest.mark.parametrize("unit", ["conv2[0,3,4,5]", "∂E/∂conv1.weight[0,0,2,2]", "∂E/∂fc1.weight[3,4]"])
def test_what_is_added_has_the_same_decimals_and_factors_five_digits(open_address, address, unit):
    page = ready(open_address(address))
    page.evaluate(
        "(unit) => { if (unit.startsWith('∂')) explorer.turn(true); explorer.go(unit.replace('∂E/∂', '')); }", unit
    )
    added = page.locator("#equation tr > :nth-child(1)").all_inner_texts()
    added.append(page.locator("#equation summary").first.inner_text().split(" = ")[1])
    assert len({len(mantissa(text).partition(".")[2]) for text in added}) == 1
    assert len({text.partition("e")[2] for text in added}) == 1
    factors = re.findall(r"[\d.]+(?=e|·|\)|$)", " ".join(page.locator("#equation td:nth-child(2)").all_inner_texts()))
    assert factors
    assert {len(mantissa(text).replace(".", "").lstrip("0")) for text in factors if float(text)} == {5}


def mantissa(text):
    return text.partition("e")[0].lstrip("−")


def test_gradients_unfold_up_to_the_loss(open_address, address):
    page = ready(open_address(address))
    page.get_by_role("button", name="Gradients").click()
    assert page.locator("#gradients").get_attribute("aria-pressed") == "true"
    page.get_by_label("Unit").fill("conv1.weight[0,0,2,2]")
    page.keyboard.press("Enter")
    for _ in range(3):
        page.locator("#equation button.name").last.click()
    inner = page.locator("#equation details.inner summary").all_inner_texts()
    assert inner
    assert all(text.startswith("∂E/∂") for text in inner)
    assert page.locator("#equation .wrong").count() == 0


def test_keys_walk_over_a_map_and_pick(open_address, address):
    page = ready(open_address(address))
    canvas = page.locator("#source-0 canvas").first
    canvas.focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    assert page.locator("#equation summary").first.inner_text().startswith("input[0,0,1,31]")


def test_a_name_that_is_not_there_is_told(open_address, address):
    page = ready(open_address(address))
    for text, said in (("conv9[0]", "there is no unit"), ("conv1[0,99,0,0]", "say which number of it")):
        page.get_by_label("Unit").fill(text)
        page.keyboard.press("Enter")
        assert said in page.get_by_role("alert").inner_text()


@pytest.mark.parametrize("width", [400, 900, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_page(open_address, address, width, scheme):
    page = ready(open_address(address, width, color_scheme=scheme))
    page.evaluate("explorer.go('conv2[0,3,4,5]')")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = page.locator("canvas").evaluate_all("(all) => all.map((c) => c.getBoundingClientRect().right)")
    assert max(boxes) <= width


@pytest.mark.parametrize("width", [400, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(open_address, address, serious, width, scheme):
    page = ready(open_address(address, width, color_scheme=scheme, bypass_csp=True))
    page.get_by_role("button", name="Gradients").click()
    page.get_by_label("Unit").fill("conv1.weight[0,0,2,2]")
    page.keyboard.press("Enter")
    page.locator("#equation button.name").last.click()
    page.get_by_label("Unit").fill("conv9[0]")
    page.keyboard.press("Enter")
    assert page.get_by_role("alert").inner_text()
    assert serious(page) == []


def test_an_address_with_a_unit_opens_there(open_address, address):
    page = ready(open_address(f"{address}#conv2[0,3,4,5]"))
    assert page.locator("#equation summary").first.inner_text().startswith("conv2[0,3,4,5]")


class Lost(nn.Module):
    """Of whose numbers some are none."""

    def forward(self, x):
        return F.log(x) * 1


def test_a_map_says_how_many_of_its_numbers_are_none(open_address, tmp_path):
    (tmp_path / "page.html").write_text(explore(Lost(), input=(1, 3)).html, encoding="utf-8")
    page = ready(open_address((tmp_path / "page.html").as_uri()))
    log = page.locator("section", has=page.locator("h2", has_text="log"))
    assert log.locator(".said").first.inner_text().endswith("; NaN: 1 of 3")
    assert "NaN … NaN" not in page.inner_text("body")
