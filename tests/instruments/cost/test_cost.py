"""Totals, rows and sums of `cost`, and that the network it counts never notices."""

import json
import threading
import warnings
from collections import Counter
from copy import copy

import instruments_networks as mine
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import underhood
from tests.networks.deeper import DEEPER
from underhood.errors import BadInput
from underhood.instruments.cost import cost
from underhood.instruments.cost.verify import flop_counter_macs
from underhood.instruments.inputs import as_inputs, make
from underhood.networks import NETWORKS

# every figure of the references that `cost` can give: parameters, weights alone, multiply–adds
REFERENCES = {
    "alexnet": (60_965_224, 60_954_656, 724_406_816),
    "alexnet-ungrouped": (62_378_344, 62_367_776, 1_135_256_096),
    "alexnet-today": (61_100_840, 61_090_496, 714_188_480),
    "vgg16": (138_357_544, 138_344_128, 15_470_264_320),
    "vgg19": (143_667_240, 143_652_544, 19_632_062_464),
    "googlenet": (6_998_552, 6_990_272, 1_582_671_872),
    "resnet18": (11_689_512, 11_678_912, 1_814_073_344),
    "resnet50": (25_557_032, 25_502_912, 4_089_184_256),
    "resnet50-v1": (25_557_032, 25_502_912, 3_857_973_248),
    "resnet20": (269_722, 268_336, 40_551_040),
    "resnet44": (658_586, 655_408, 97_174_144),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_published_totals(name):
    found = cost(name)
    assert (found.parameters, found.counts.weights, found.macs) == REFERENCES[name]
    assert found.complete


def test_totals_of_the_sheets():
    assert cost("resnet20", arguments={"shortcut": "B"}).parameters == 272_474
    assert cost("resnet44", arguments={"shortcut": "B"}).parameters == 661_338
    assert cost("simple-nn").parameters == 82_030
    assert cost("simple-nn", convention="weights").parameters == 81_792
    assert cost("simple-conv-net").parameters == 1_446_030
    assert cost("resnet18-cifar").parameters == 11_173_962
    assert 4 * cost("resnet18-cifar").parameters == pytest.approx(44.7e6, abs=0.05e6)


def test_alexnet_layer_by_layer():
    found = [row.counts.learnt for row in cost("alexnet").rows if row.counts.learnt]
    assert found == [34_944, 307_456, 885_120, 663_936, 442_624, 37_752_832, 16_781_312, 4_097_000]


def test_vgg19_activations_with_the_input():
    found = cost("vgg19")
    assert found.elements + found.input_elements == 16_542_184


def test_conventions_and_keras_count():
    parameters, weights, buffers = (cost("resnet50", convention=c) for c in ("parameters", "weights", "buffers"))
    assert parameters.parameters - weights.parameters == 54_120
    assert buffers.parameters - parameters.parameters == 53_120
    assert buffers.parameters + buffers.unbiased == 25_636_712
    assert "25,636,712." in parameters.layers.foot[0]
    assert weights.layers.rows[-1]["parameters"] == 25_502_912


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in DEEPER else []) for name in NETWORKS]
)
def test_every_network_is_counted_as_torch_counts(name):
    found = cost(name)
    assert found.macs == found.torch_macs == flop_counter_macs(found)
    assert not found.unknown()
    assert found.counts.learnt == sum(p.numel() for p in found.target.build(nn).parameters())


@pytest.mark.parametrize("name", mine.COUNTED)
def test_modules_of_all_kinds_are_counted_as_torch_counts(name):
    build, shape = mine.COUNTED[name]
    found = cost(build, shape)
    positional, named = make(as_inputs(shape), torch.float32, "meta")
    with torch.device("meta"):
        module = build().eval()
    with torch.no_grad(), torch.device("meta"), FlopCounterMode(display=False) as counter:
        module(*positional, **named)
    assert found.macs == counter.get_total_flops() // 2 > 0
    assert found.counts.learnt == sum(p.numel() for p in module.parameters())
    assert found.counts.buffers == sum(b.numel() for b in module.buffers() if b.is_floating_point())
    assert not found.unknown()
    assert not found.notes or name == "heads"


@pytest.mark.parametrize("name", ["resnet20", "googlenet", "squeezenet", *mine.COUNTED])
def test_rows_add_up_to_the_totals(name):
    found = cost(*mine.COUNTED[name]) if name in mine.COUNTED else cost(name)
    assert sum(row.macs or 0 for row in found.leaves) == found.macs
    assert sum(row.counts.learnt for row in found.leaves) == found.counts.learnt
    top = [row for row in found.rows if row.depth == 0]
    assert sum(row.macs or 0 for row in top) == found.macs
    assert sum(row.counts.learnt for row in top) == found.counts.learnt
    assert sum(row.bytes for row in top) == found.bytes


def test_sums_are_written_out():
    found = cost("vgg19")
    texts = found["2"].texts
    assert texts["parameters"] == "(3·3·64)·64 + 64 = 36,928"
    assert texts["macs"] == "(3·3·64)·64·(224·224) = 1,849,688,064"
    assert texts["bytes"] == "64·224·224·4 = 12,845,056"
    assert texts["output"] == "⌊(224 + 2·1 − 3)/1⌋ + 1 = 224"
    assert texts["field"] == "3 + (3 − 1)·1 = 5, stride 1·1 = 1, offset −1 − 1·1 = −2"
    listing = cost("listing1", (32, 1, 28, 28))
    assert listing["0"].texts["output"] == "⌊(28 + 2·0 − 5)/1⌋ + 1 = 24"
    assert listing["6"].texts["output"] == "20·4·4 = 320"
    assert listing["7"].texts["output"] == "320 → 50"
    assert listing["7"].texts["macs"] == "32·(320·50) = 512,000"
    assert listing["7"].texts["parameters"] == "320·50 + 50 = 16,050"


@pytest.mark.parametrize("name", ["alexnet", "googlenet", "resnet20", *mine.COUNTED])
def test_every_sum_is_true(name):
    """Each `a·(b + c) = n` of the tables, worked out again by Python."""
    found = cost(*mine.COUNTED[name]) if name in mine.COUNTED else cost(name)
    checked = 0
    for row in found.leaves:
        for key in ("parameters", "macs", "bytes"):
            text = row.texts.get(key, "").split(";")[0]
            if "=" in text and "…" not in text:
                left, right = text.rsplit(" = ", 1)
                total = {"parameters": row.counts.learnt, "macs": row.macs, "bytes": row.bytes}[key]
                assert eval(left.replace("·", "*").replace(",", "")) == int(right.replace(",", "")) == total
                checked += 1
    assert checked


def test_grouped_convolution_sums_say_the_group():
    assert cost("alexnet")["4"].texts["parameters"] == "(5·5·48)·256 + 256 = 307,456"


def test_inception_joins_and_counts():
    naive, reduced = cost("inception-naive"), cost("inception-reduced")
    assert (naive.macs, reduced.macs) == (1_115_684_864, 354_418_688)
    assert naive["cat"].outputs == ((1, 672, 32, 32),)
    assert reduced["cat"].texts["output"] == "128 + 192 + 96 + 64 = 480"


def test_shared_layers_are_counted_once_and_say_so():
    found = cost(mine.Tied, "2,6:int64")
    assert found.counts.learnt == 30 * 8 + 8 * 8 + 8
    assert found["block#2"].texts["parameters"] == "shared with block"
    assert found["out"].texts["parameters"] == "shared with embed"
    assert [found[f"block{n}"].macs for n in ("", "#2", "#3")] == [2 * 6 * 64] * 3
    assert [row["parameters"] for row in found.layers.rows if row["layer"].startswith("block")] == [72, None, None]


def test_what_is_not_counted_is_said_and_never_zero():
    found = cost(mine.TwoInputs, [(2, 3, 8, 8), (2, 3, 8, 8)])
    assert not found.complete
    assert found["cdist"].macs is None
    assert found.unknown() == {"_cdist_forward": ["cdist"]}
    rows = {row["layer"]: row for row in found.layers.rows}
    assert rows["cdist"]["macs"] == "not counted"
    assert rows["total"]["macs"].startswith("≥")
    assert rows["matmul"]["macs"] == 2 * 8 * 2
    assert any("Not counted" in line and "cdist" in line for line in found.layers.foot)
    assert found.to_json()["totals"]["macs_complete"] is False


def test_a_product_that_torch_does_not_count_is_reported():
    class MatrixVector(nn.Module):
        def __init__(self):
            super().__init__()
            self.matrix = nn.Parameter(torch.randn(5, 7))

        def forward(self, x):
            return torch.mv(self.matrix, x)

    found = cost(MatrixVector, (7,))
    assert (found.macs, found.torch_macs) == (35, 0)
    assert "differ in mv: 35 here, 0 there" in found.layers.foot[1]


def test_not_run_modules_are_named_and_counted():
    found = cost(mine.Heads, (2, 4))
    assert found.counts.learnt == 73
    assert found["aux"].counts.learnt == 29
    assert found["aux"].macs is None
    assert "aux" in found.notes[0]
    assert cost(mine.Heads, (2, 4), training=True)["aux"].macs == 2 * (6 * 3 + 3 * 2)


def test_in_place_and_views_write_nothing_new():
    found = cost(mine.InPlace, (2, 2, 8, 8))
    written = {row.label: row.bytes for row in found.leaves}
    assert written["conv"] == written["norm"] == 2 * 4 * 8 * 8 * 4
    assert sum(written.values()) == 2 * written["conv"]


def test_functions_between_layers_are_rows():
    kinds = Counter(row.label for row in cost(mine.SelfAttention, (2, 7, 16)).leaves)
    assert kinds["matmul"] == 2
    assert kinds["softmax"] == 1
    assert kinds["add"] == 1
    found = cost(mine.Functional, (4, 1, 28, 28))
    assert found["linear"].counts.learnt == 10 * 1014 + 10
    assert found["conv2d"].texts["parameters"] == "(3·3·1)·6 = 54"
    assert found["view"].outputs == ((4, 1014),)


def test_dicts_in_and_out():
    found = cost(mine.Dicts, {"image": (2, 3, 9, 9), "text": (2, 5)})
    assert str(found.inputs) == "{image: 2×3×9×9, text: 2×5}"
    assert found.input_elements == 2 * 3 * 81 + 10
    assert found["image"].outputs == ((2, 4, 4, 4),)


def test_recurrent_layers_are_one_row():
    found = cost(mine.Recurrent, "2,5:int64")
    # four gates, two directions, two layers; inputs of 8 and of 2·12
    expected = 2 * 5 * 2 * 4 * 12 * ((8 + 12) + (24 + 12))
    assert found["lstm"].macs == expected
    assert found["lstm"].counts.learnt == sum(p.numel() for p in nn.LSTM(8, 12, 2, bidirectional=True).parameters())


def test_fallback_to_real_tensors_is_noted():
    before = torch.random.get_rng_state()
    found = cost(mine.NeedsNumbers, (2, 6))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert found.macs == 3 * 2 * 36
    assert ["Built with real tensors" in note or "Run on real tensors" in note for note in found.notes] == [True, True]
    assert torch.backends.mha.get_fastpath_enabled()
    assert torch._C._get_mkldnn_enabled()


def test_real_tensors_count_attention_and_lstm_too():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.fused, self.lstm = mine.FusedAttention(), nn.LSTM(16, 5, batch_first=True)

        def forward(self, x):
            assert x.sum().item() == x.sum().item()  # meta cannot
            return self.lstm(self.fused(x))

    found = cost(Both, (2, 7, 16))
    assert "Run on real tensors" in found.notes[0]
    assert found.macs == cost(mine.FusedAttention, (2, 7, 16)).macs + 2 * 7 * 4 * 5 * (16 + 5)


# What others' networks do


def test_an_empty_cache_is_no_obstacle():
    class Cached(nn.Module):
        def __init__(self):
            super().__init__()
            self.key = nn.Linear(4, 4)

        def forward(self, x):
            return torch.cat([torch.tensor([]), self.key(x)], dim=-2)

    found = cost(Cached, (2, 3, 4))
    assert found.macs == 2 * 3 * 16
    assert found["cat"].texts["output"] == "3"


def test_a_sum_that_cannot_be_written_never_stops_a_count(monkeypatch):
    def fails(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("underhood.instruments.cost.arithmetic.output", fails)
    found = cost(lambda: nn.Linear(3, 5), (2, 3))
    assert found.macs == 30
    assert found["Linear"].texts["output"] == "not written out: ZeroDivisionError"


class Tokens(nn.Module):
    """A class token that is used as a view, a mask token that this pass does not use, each owned by an inner module."""

    class Embeddings(nn.Module):
        def __init__(self):
            super().__init__()
            self.cls_token, self.mask_token = nn.Parameter(torch.zeros(1, 1, 6)), nn.Parameter(torch.zeros(1, 6))
            self.register_buffer("positions", torch.arange(9))
            self.place = nn.Embedding(9, 6)
            self.project = nn.Linear(4, 6)

        def forward(self, x):
            x = torch.cat([self.cls_token.expand(len(x), -1, -1), self.project(x)], dim=1)
            return x + self.place(self.positions[: x.shape[1]])

    def __init__(self):
        super().__init__()
        self.embeddings = self.Embeddings()
        self.aux = nn.Linear(6, 2)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.embeddings(x)[:, 0])


def test_every_parameter_is_counted_and_said_of_truly():
    found = cost(Tokens, (2, 5, 4))
    assert found.parameters == sum(p.numel() for p in Tokens().parameters())
    assert found["embeddings.cat"].counts.learnt == 6
    unused = found["embeddings.mask_token"]
    assert (unused.idle, unused.label, unused.kind, unused.depth) == (
        "not used in this pass",
        "mask_token",
        "parameter",
        1,
    )
    assert found["embeddings"].counts.learnt == 6 + 6 + 9 * 6 + 4 * 6 + 6
    assert found.notes == (
        "Not used in this pass, counted among the parameters: embeddings.mask_token.",
        "Did not run in this pass, counted among the parameters: aux.",
    )
    assert [row.macs for row in found.rows if row.name == "embeddings"] == [2 * 5 * 24]


def test_what_is_frozen_is_said_to_be():
    net = nn.Sequential(nn.Linear(4, 3).requires_grad_(False), nn.Linear(3, 2))
    found = cost(net, (2, 4))
    assert found.parameters == 4 * 3 + 3 + 3 * 2 + 2
    assert found.notes == ("Frozen, counted among the parameters: 15 elements, of 0.",)
    assert cost(nn.Linear(4, 3), (2, 4)).notes == ()


def test_what_checks_numbers_multiplies_none():
    class Solved(nn.Module):
        def forward(self, x):
            return torch.linalg.solve(x, x)

    assert cost(Solved(), (4, 4)).unknown() == {"_linalg_solve_ex": [Solved.__name__]}


def test_in_place_forms_have_no_products_either():
    class Twins(nn.Module):
        def forward(self, x):
            y = nn.functional.hardswish(x, inplace=True) // 2
            y = nn.functional.adaptive_avg_pool1d(y, 1).squeeze_(-1).clamp_(0).floor_divide_(3)
            return nn.functional.hardswish(y).logical_and_(y)

    found = cost(Twins, (2, 4, 8))
    assert found.complete
    assert found.unknown() == {}


def test_products_that_torch_does_not_count():
    class Outer(nn.Module):
        def forward(self, x):
            return torch.addr(torch.zeros(4, 4), x, x)

    found = cost(Outer, (4,))
    assert found.macs == 16
    assert found.differing == {"addr": (16, 0)}


@pytest.mark.parametrize(
    ("module", "shapes", "macs"),
    [
        (lambda: nn.RNN(8, 16, 2), (5, 2, 8), 10 * 16 * ((8 + 16) + (16 + 16))),
        (lambda: nn.GRU(8, 16, bidirectional=True), (5, 2, 8), 2 * 10 * 3 * 16 * (8 + 16)),
        (lambda: nn.LSTM(8, 16, proj_size=4), (5, 2, 8), 10 * (4 * 16 * (8 + 4) + 16 * 4)),
        (lambda: nn.LSTMCell(8, 16), (2, 8), 2 * 4 * 16 * (8 + 16)),
        (lambda: nn.GRUCell(8, 16), (2, 8), 2 * 3 * 16 * (8 + 16)),
        # four projections, and the scores and sums of 4 heads of 4
        (lambda: nn.MultiheadAttention(16, 4), [(5, 2, 16)] * 3, 10 * 4 * 256 + 2 * 2 * 25 * 16),
        (
            lambda: nn.TransformerEncoderLayer(16, 4, 32, batch_first=True),
            (2, 5, 16),
            10 * (4 * 256 + 2 * 512) + 2 * 2 * 25 * 16,
        ),
        (
            lambda: nn.TransformerDecoderLayer(16, 4, 32, batch_first=True),
            [(2, 5, 16), (2, 7, 16)],
            10 * (4 * 256 + 2 * 256 + 2 * 512) + 14 * 2 * 256 + 2 * 2 * 25 * 16 + 2 * 2 * 35 * 16,
        ),
    ],
)
def test_recurrent_and_transformer_modules_by_hand(module, shapes, macs):
    found = cost(module, shapes)
    assert found.macs == macs
    assert found.complete
    assert found.parameters == sum(p.numel() for p in module().parameters())


# The network never notices


def state(module):
    """Everything of a module that a pass could leave changed."""
    return {
        "tensors": {
            name: (id(t), t.clone(), t.device, t._version) for name, t in module.state_dict(keep_vars=True).items()
        },
        "attributes": {name: sorted(vars(member)) for name, member in module.named_modules()},
        "training": [member.training for member in module.modules()],
        "hooks": [
            {key: copy(value) for key, value in vars(member).items() if "hook" in key} for member in module.modules()
        ],
        "gradients": [p.grad for p in module.parameters()],
    }


def assert_same(before, after):
    assert before["attributes"] == after["attributes"]
    assert before["training"] == after["training"]
    assert before["hooks"] == after["hooks"]
    assert before["gradients"] == after["gradients"]
    assert before["tensors"].keys() == after["tensors"].keys()
    for name, (number, values, device, version) in before["tensors"].items():
        other = after["tensors"][name]
        assert (number, device, version) == (other[0], other[2], other[3])
        assert torch.equal(values, other[1])


WATCHED = {
    "stateful": (mine.Stateful, (2, 4)),
    "norm": (mine.InPlace, (2, 2, 8, 8)),
    "recurrent": (mine.Recurrent, "2,5:int64"),
    "tied": (mine.Tied, "2,6:int64"),
    "multi_head": (mine.MultiHead, (3, 5, 16)),
    "numbers": (mine.NeedsNumbers, (2, 6)),
}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", WATCHED)
def test_the_module_is_left_as_it_was(name, training):
    build, shape = WATCHED[name]
    module = build().train(training)
    next(iter(module.children())).register_forward_hook(lambda *_: None)
    before = state(module)
    random = torch.random.get_rng_state()
    cost(module, shape)
    cost(module, shape, training=True)
    assert_same(before, state(module))
    assert torch.equal(torch.random.get_rng_state(), random)


def test_a_stateful_module_keeps_its_own_state():
    module = mine.Stateful()
    x = torch.randn(2, 4)
    expected = module.linear(x) * module.scale
    for _ in range(2):
        cost(module, (2, 4))
    assert (module.calls, module.history) == (0, [])
    assert not module.total.any()
    assert torch.equal(module.scale, torch.ones(4))
    assert not hasattr(module, "last")
    assert torch.equal(module(x), expected)


def test_a_module_whose_forward_raises_is_left_as_it_was():
    module = mine.Breaks()
    before = state(module)
    with pytest.raises(BadInput, match=r"Breaks, input 2×4: second \(Linear\): RuntimeError"):
        cost(module, (2, 4))
    assert_same(before, state(module))


def test_what_cannot_be_copied_is_shared():
    module = nn.Linear(3, 3)
    module.lock = threading.Lock()
    assert cost(module, (1, 3)).macs == 9
    assert module.lock.acquire(blocking=False)


def test_wrappers_are_looked_through():
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    assert cost(nn.DataParallel(module), (1, 3)).macs == 12
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        script = torch.jit.trace(module, torch.randn(1, 3))
    with pytest.raises(BadInput, match="TorchScript"):
        cost(script, (1, 3))


# What it says when it can't


def test_wrong_channels_name_the_layer():
    with pytest.raises(
        BadInput, match=r"listing1: 0 \(Conv2d\): .* wants 1 input channels, input \(1, 3, 28, 28\) has 3"
    ):
        cost("listing1", (3, 28, 28))


def test_mistakes_are_bad_input():
    with pytest.raises(BadInput, match='unknown "weight": did you mean "weights"'):
        cost("listing1", convention="weight")
    with pytest.raises(BadInput, match="say the input's shape"):
        cost(nn.Linear(2, 2))
    with pytest.raises(BadInput, match="gave a str, not a torch"):
        cost(lambda: "no network", (1, 2))
    with pytest.raises(BadInput, match="could not be built: ZeroDivisionError"):
        cost(lambda: nn.Linear(1 // 0, 2), (1, 2))
    with pytest.raises(BadInput, match="a module of the engine"):
        cost(underhood.nn.Linear(2, 3), (1, 2))
    with pytest.raises(KeyError, match='did you mean "7"'):
        cost("listing1")["77"]


# How it looks


def test_tables_collapse_by_depth():
    whole, top, one = cost("resnet20"), cost("resnet20", depth=0), cost("resnet20", depth=1)
    assert len(top.layers.rows) == 17
    assert len(whole.layers.rows) > len(one.layers.rows) > len(top.layers.rows)
    block = next(row for row in top.layers.rows if row["layer"] == "3")
    assert (block["parameters"], block["macs"]) == (2 * (2304 + 32), 2 * 2_359_296)
    assert next(row for row in whole.layers.rows if row["layer"] == "3").get("macs") is None
    for found in (whole, top, one):
        counted = [row.get("parameters") or 0 for row in found.layers.rows[:-1]]
        assert sum(counted) == found.layers.rows[-1]["parameters"] == 269_722


def test_json_is_versioned_and_whole():
    found = cost("googlenet")
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert data["schema"] == "underhood.cost/1"
    assert data["totals"]["macs"] == data["totals"]["macs_by_torch"] == 1_582_671_872
    leaves = [layer for layer in data["layers"] if not layer["group"]]
    assert sum(layer["macs"] for layer in leaves) == data["totals"]["macs"]
    assert leaves[0]["arithmetic"]["output"] == "⌊(224 + 2·3 − 7)/2⌋ + 1 = 112"
    assert leaves[0]["field"] == [{"size": 7, "whole": False, "stride": 2, "offset": -3}] * 2


def test_every_form_says_the_same_total():
    found = cost("simple-nn")
    for text in (str(found), found.to_markdown(), found._repr_html_(), found.to_html()):
        assert "82,030" in text
    assert found.to_csv().splitlines()[-1].startswith("total,,,82030,716328,")
    assert "<svg" in found.to_html()


def test_the_figure_draws_shares_that_add_up():
    values = cost("simple-nn").figure().spec["data"]["values"]
    for kind in ("multiply–adds", "parameters"):
        assert sum(row["share"] for row in values if row["of"] == kind) == pytest.approx(1)


def test_columns_of_fields_are_left_out_where_there_is_no_image():
    assert "field" not in {column.name for column in cost("mlp").layers.columns}
    assert "field" in {column.name for column in cost("listing1").layers.columns}


def test_its_repr_is_one_line():
    assert repr(cost("vgg19")) == "<cost of vgg19: 143,667,240 parameters, 19,632,062,464 MACs>"


def test_the_face_has_it():
    assert underhood.cost is cost
    assert underhood.cost("listing1").macs == 480_500
