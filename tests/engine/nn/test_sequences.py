"""Recurrent layers, attention and transformers beside PyTorch's of the same name, arguments and weights.

In float64: all outputs, and the gradients of all inputs and parameters under random cotangents.
"""

import numpy as np
import pytest
import torch

from tests.engine.nn.arguments import keeps_the_same, never_given
from underhood import engine
from underhood.engine import nn

pytestmark = pytest.mark.filterwarnings("ignore:enable_nested_tensor")


def flat(found):
    """The tensors among nested tuples."""
    if isinstance(found, tuple):
        return [x for part in found for x in flat(part)]
    return [] if found is None else [found]


def agree(layer, inputs, call=None, mode="train"):
    """Build `layer` on either library with one set of weights and compare a pass both ways."""
    reference = eval(f"torch.nn.{layer}").double()
    with torch.no_grad():
        for i, parameter in enumerate(reference.parameters()):
            parameter.normal_(0, 0.5, generator=torch.Generator().manual_seed(i))
    ours = eval(f"nn.{layer}").double()
    assert list(ours.state_dict()) == list(reference.state_dict())
    ours.load_state_dict(reference.state_dict())
    assert repr(ours) == repr(reference).replace("NonDynamicallyQuantizableLinear", "Linear")
    keeps_the_same(ours, reference)
    found = []
    for lib, net in ((engine, ours), (torch, reference)):
        getattr(net, mode)()
        leaves = [lib.from_numpy(x.copy()) if isinstance(x, np.ndarray) else x for x in inputs]
        for x in leaves:
            if isinstance(x, lib.Tensor) and x.is_floating_point():
                x.requires_grad_()
        outputs = flat(call(net, *leaves) if call else net(*leaves))
        rng = np.random.default_rng(2)
        cotangents = [lib.from_numpy(rng.normal(size=tuple(z.shape))) for z in outputs]
        lib.autograd.backward(outputs, cotangents)
        gradients = [x.grad for x in leaves if isinstance(x, lib.Tensor) and x.requires_grad]
        gradients += [p.grad for p in net.parameters()]
        found.append([None if x is None else x.detach().numpy() for x in (*outputs, *gradients)])
    assert len(found[0]) == len(found[1])
    for a, b in zip(*found, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert a.shape == b.shape
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


def n(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape)


RECURRENT = [
    ("RNN(3, 4)", (5, 2, 3), 1),
    ("RNN(3, 4, 2, 'relu', bias=False)", (5, 3), 1),
    ("RNN(3, 4, nonlinearity='tanh', batch_first=True, bidirectional=True)", (2, 5, 3), 1),
    ("RNN(3, 4, 2, dropout=1.0)", (5, 2, 3), 1),
    ("LSTM(3, 4)", (5, 2, 3), 2),
    ("LSTM(3, 4, 2, batch_first=True)", (2, 5, 3), 2),
    ("LSTM(3, 4, num_layers=2, bidirectional=True, bias=False)", (5, 3), 2),
    ("LSTM(3, 4, num_layers=2, bidirectional=True, proj_size=2)", (5, 2, 3), 2),
    ("LSTM(3, 4, 3, dropout=1.0)", (1, 2, 3), 2),
    ("GRU(3, 4)", (5, 2, 3), 1),
    ("GRU(3, 4, 2, bidirectional=True, batch_first=True)", (2, 5, 3), 1),
    ("GRU(3, 4, 2, False, True, 0.0, False)", (5, 3), 1),
]


@pytest.mark.parametrize(("layer", "shape", "states"), RECURRENT, ids=[f"{x[0]}-{len(x[1])}D" for x in RECURRENT])
@pytest.mark.parametrize("given", [False, True], ids=["zeros", "states"])
def test_a_recurrent_layer_is_pytorchs(layer, shape, states, given):
    net = eval(f"nn.{layer}")
    batch = () if len(shape) == 2 else (shape[0] if net.batch_first else shape[1],)
    layers = net.num_layers * net.directions
    sizes = [getattr(net, "proj_size", 0) or 4, 4][:states]
    first = [n(layers, *batch, size) for size in sizes] if given else []
    call = None
    if given and states == 2:
        call = lambda net, x, h, c: net(x, (h, c))  # noqa: E731
    agree(layer, [n(*shape), *first], call)


CELLS = [
    "RNNCell(3, 4)",
    "RNNCell(3, 4, False, 'relu')",
    "LSTMCell(3, 4)",
    "LSTMCell(3, 4, bias=False)",
    "GRUCell(3, 4)",
    "GRUCell(3, 4, bias=False)",
]


@pytest.mark.parametrize("layer", CELLS)
@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("given", [False, True])
def test_a_cell_is_pytorchs(layer, batch, given):
    call = (lambda net, x, h, c: net(x, (h, c))) if "LSTM" in layer and given else None
    agree(layer, [n(*batch, 3), *([n(*batch, 4)] * (1 + (call is not None)) if given else [])], call)


CAUSAL = np.triu(np.ones((5, 5), bool), 1)
ATTENTION = [
    ("MultiheadAttention(8, 2)", [n(5, 2, 8), n(6, 2, 8), n(6, 2, 8)], {}),
    ("MultiheadAttention(8, 4, bias=False, batch_first=True)", [n(2, 5, 8), n(2, 6, 8), n(2, 6, 8)], {}),
    ("MultiheadAttention(8, 2, kdim=3, vdim=4)", [n(5, 2, 8), n(6, 2, 3), n(6, 2, 4)], {"average_attn_weights": False}),
    ("MultiheadAttention(8, 2, add_bias_kv=True, add_zero_attn=True)", [n(5, 2, 8)] * 3, {"attn_mask": CAUSAL}),
    ("MultiheadAttention(8, 2)", [n(5, 8), n(6, 8), n(6, 8)], {"key_padding_mask": np.arange(6) > 3}),
    ("MultiheadAttention(8, 2)", [n(5, 2, 8)] * 3, {"attn_mask": CAUSAL, "need_weights": False, "is_causal": True}),
    ("MultiheadAttention(8, 2)", [n(5, 2, 8)] * 3, {"attn_mask": n(4, 5, 5)}),
    ("MultiheadAttention(8, 2, dropout=1.0)", [n(5, 2, 8)] * 3, {}),
    (
        "MultiheadAttention(8, 2, batch_first=True)",
        [n(2, 5, 8)] * 3,
        {
            "attn_mask": np.where(CAUSAL, -np.inf, 0),
            "key_padding_mask": np.where(np.arange(10).reshape(2, 5) == 4, -9.0, 0),
        },
    ),
]


def with_masks(options):
    def call(net, *inputs):
        lib = engine if isinstance(net, nn.Module) else torch
        given = {k: lib.from_numpy(v.copy()) if isinstance(v, np.ndarray) else v for k, v in options.items()}
        return net(*inputs, **given)

    return call


@pytest.mark.parametrize(("layer", "inputs", "options"), ATTENTION)
def test_attention_is_pytorchs(layer, inputs, options):
    agree(layer, inputs, with_masks(options))


STACKS = ["TransformerEncoder", "TransformerDecoder"]
LAYER = "TransformerEncoderLayer(8, 2, 16, 0.0"
DECODER = "TransformerDecoderLayer(8, 2, 16, 0.0"
OPTIONS = "activation='gelu', layer_norm_eps=0.1, norm_first=True, bias=False"
WHOLE = "Transformer(8, 2, 1, 1, 16, 0.0, batch_first=True)"
TRANSFORMERS = [
    (f"{LAYER})", [n(5, 2, 8)], {}),
    (f"{LAYER}, 'gelu', batch_first=True, norm_first=True)", [n(2, 5, 8)], {"src_mask": CAUSAL}),
    (f"{LAYER}, bias=False, layer_norm_eps=0.1)", [n(5, 8)], {}),
    (f"{LAYER}, batch_first=True)", [n(2, 5, 8)], {"src_key_padding_mask": np.arange(10).reshape(2, 5) % 5 > 3}),
    (f"{DECODER})", [n(5, 2, 8), n(6, 2, 8)], {"tgt_mask": CAUSAL}),
    (f"{DECODER}, {OPTIONS})", [n(5, 2, 8), n(6, 2, 8)], {}),
    (f"{DECODER}, norm_first=True, batch_first=True)", [n(2, 5, 8), n(2, 6, 8)], {"memory_mask": n(5, 6)}),
    ("Transformer(8, 2, 1, 2, 16, 0.0, batch_first=True)", [n(2, 6, 8), n(2, 5, 8)], {"tgt_mask": CAUSAL}),
    (WHOLE, [n(2, 6, 8), n(2, 5, 8)], {}),
    (f"Transformer(8, 2, 1, 1, 16, 0.0, {OPTIONS})", [n(6, 2, 8), n(5, 2, 8)], {}),
    (WHOLE, [n(2, 6, 8), n(2, 5, 8)], {"src_mask": n(6, 6), "memory_mask": n(5, 6)}),
    (WHOLE, [n(2, 6, 8), n(2, 5, 8)], {"src_key_padding_mask": np.arange(12).reshape(2, 6) % 6 > 4}),
    (WHOLE, [n(2, 6, 8), n(2, 5, 8)], {"tgt_key_padding_mask": np.arange(10).reshape(2, 5) % 5 > 3}),
    (WHOLE, [n(2, 6, 8), n(2, 5, 8)], {"memory_key_padding_mask": np.arange(12).reshape(2, 6) % 6 > 3}),
    (WHOLE, [n(2, 6, 8), n(2, 5, 8)], {"tgt_mask": CAUSAL, "tgt_is_causal": True}),
]


@pytest.mark.parametrize(("layer", "inputs", "options"), TRANSFORMERS)
def test_transformers_are_pytorchs(layer, inputs, options):
    agree(layer, inputs, with_masks(options))


@pytest.mark.parametrize(
    "layer", [f"{which}Layer(8, 2, 16, 0.3)" for which in STACKS] + ["Transformer(8, 2, dropout=0.3)"]
)
def test_dropout_reaches_every_part_of_a_transformer(layer):
    keeps_the_same(eval(f"nn.{layer}"), eval(f"torch.nn.{layer}"))


OF_THEIR_OWN = {
    "TransformerEncoder": {"enable_nested_tensor", "mask_check"},  # hints of speed
    "Transformer": {"custom_encoder", "custom_decoder"},  # modules: tested below
}


def test_every_argument_of_a_layer_is_tried():
    rows = [row for row, *_ in (*RECURRENT, *ATTENTION, *TRANSFORMERS)] + CELLS
    layers = {row.split("(")[0] for row in rows}
    assert len(layers) >= 10
    left = {name: never_given(rows, name) - OF_THEIR_OWN.get(name, set()) for name in layers}
    assert {name: arguments for name, arguments in left.items() if arguments} == {}


def test_encoders_decoders_and_layers_of_one_s_own_are_called_as_by_pytorch():
    """Masks by name: what is written for PyTorch may have them in any order."""

    def seen(lib):
        calls = []

        class Own(lib.nn.Module):
            def __init__(self, name):
                super().__init__()
                self.name = name

            def forward(self, *inputs, **masks):
                calls.append((self.name, len(inputs), set(masks)))
                return 2 * inputs[0]

        net = lib.nn.Transformer(8, 2, custom_encoder=Own("encoder"), custom_decoder=Own("decoder"))
        source, target = lib.from_numpy(n(6, 2, 8)), lib.from_numpy(n(5, 2, 8))
        np.testing.assert_array_equal(net(source, target).numpy(), 2 * n(5, 2, 8))
        encoder = lib.nn.TransformerEncoder(lib.nn.TransformerEncoderLayer(8, 2), 1)
        decoder = lib.nn.TransformerDecoder(lib.nn.TransformerDecoderLayer(8, 2), 1)
        for stack in (encoder, decoder):
            own = Own("layer")
            own.self_attn = stack.layers[0].self_attn  # PyTorch's stacks look at it
            stack.layers[0] = own
        encoder(source)
        decoder(target, source)
        return calls

    assert seen(engine) == seen(torch)


@pytest.mark.parametrize("hint", ["src_is_causal", "tgt_is_causal", "memory_is_causal"])
def test_a_hint_without_its_mask_is_refused_as_by_pytorch(hint):
    for lib in (engine, torch):
        with pytest.raises(RuntimeError, match="Need attn_mask if specifying the is_causal hint"):
            eval(f"lib.nn.{WHOLE}").double()(lib.from_numpy(n(2, 6, 8)), lib.from_numpy(n(2, 5, 8)), **{hint: True})


@pytest.mark.parametrize("stack", STACKS)
def test_stacks_of_layers_are_pytorchs(stack):
    def both(lib):
        torch.manual_seed(0)
        layer = getattr(lib, f"{stack}Layer")(8, 2, 16, 0.0)
        return getattr(lib, stack)(layer, 2, lib.LayerNorm(8)).double()

    ours, reference = both(nn), both(torch.nn)
    ours.load_state_dict(reference.state_dict())
    inputs = [n(5, 2, 8), n(6, 2, 8)][: 1 + ("Decoder" in stack)]
    expected = reference(*(torch.from_numpy(x) for x in inputs))
    np.testing.assert_allclose(
        ours(*(engine.from_numpy(x) for x in inputs)).detach().numpy(), expected.detach().numpy(), rtol=1e-9, atol=1e-11
    )
    assert repr(ours) == repr(reference).replace("NonDynamicallyQuantizableLinear", "Linear")
    fresh = both(nn)
    for p, q in zip(fresh.layers[0].parameters(), fresh.layers[1].parameters(), strict=True):
        assert p is not q
        np.testing.assert_array_equal(p.detach().numpy(), q.detach().numpy())
    mask = nn.Transformer.generate_square_subsequent_mask(4).numpy()
    np.testing.assert_array_equal(mask, torch.nn.Transformer.generate_square_subsequent_mask(4).numpy())


def test_dropout_between_layers_acts_while_training_alone():
    engine.manual_seed(0)
    net, x = nn.LSTM(3, 4, 2, dropout=0.5), engine.draws.rand(5, 2, 3)
    assert not np.allclose(net(x)[0].detach().numpy(), net(x)[0].detach().numpy())
    net.eval()
    np.testing.assert_array_equal(net(x)[0].detach().numpy(), net(x)[0].detach().numpy())


def test_a_seed_gives_pytorchs_initial_weights():
    for layer in ("LSTM(3, 4, 2, bidirectional=True)", "GRUCell(3, 4)", "MultiheadAttention(8, 2)"):
        engine.manual_seed(3)
        torch.manual_seed(3)
        ours, reference = eval(f"nn.{layer}").state_dict(), eval(f"torch.nn.{layer}").state_dict()
        for key, value in reference.items():
            np.testing.assert_allclose(ours[key].numpy(), value.numpy(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("layer", "inputs"),
    [
        ("RNN(3, 4, nonlinearity='sine')", ()),
        ("LSTM(3, 4, dropout=2.0)", ()),
        ("LSTM(3, 0)", ()),
        ("LSTM(3, 4, num_layers=0)", ()),
        ("LSTM(3, 4, proj_size=4)", ()),
        ("LSTM(3, 2.5)", ()),
        ("LSTM(3, 4)", ((5, 2, 7),)),
        ("LSTM(3, 4)", ((5,),)),
        ("GRU(3, 4)", ((5, 2, 3), (1, 3, 4))),
        ("GRU(3, 4)", ((5, 2, 3), (1, 4))),
        ("GRU(3, 4)", ((0, 2, 3),)),
        ("LSTM(3, 4)", ((5, 2, 4),)),
        ("GRUCell(3, 4)", ((2, 3), (2, 5))),
        ("GRUCell(3, 4)", ((2, 2, 3),)),
        ("MultiheadAttention(8, 3)", ()),
        ("MultiheadAttention(0, 1)", ()),
        ("MultiheadAttention(8, 2)", ((5, 2, 8), (6, 8), (6, 8))),
        ("MultiheadAttention(8, 2)", ((5, 2, 8), (6, 2, 8), (7, 2, 8))),
        ("TransformerEncoderLayer(8, 2, activation='tanh')", ()),
        ("Transformer(8, 2, 1, 1, 16, batch_first=True)", ((2, 6, 8), (3, 5, 8))),
        ("Transformer(8, 2, 1, 1, 16, batch_first=True)", ((2, 6, 8), (2, 5, 6))),
    ],
)
def test_refuses_what_pytorch_refuses(layer, inputs):
    def run(lib, module):
        net = eval(f"{module}.{layer}")
        if inputs:
            net(*(lib.zeros(*shape) for shape in inputs))

    with pytest.raises((ValueError, RuntimeError, TypeError, AssertionError)) as theirs:
        run(torch, "torch.nn")
    with pytest.raises(theirs.type) as ours:
        run(engine.creation, "nn")
    assert "matmul" not in str(ours.value), "refused before it is computed"


@pytest.mark.parametrize("masked", [False, True], ids=["LSTM", "attention"])
def test_a_plan_steps_as_the_loop_does(masked):
    """The mask is an input, and may be another one at every call."""
    import underhood

    make = (lambda: nn.MultiheadAttention(4, 2)) if masked else (lambda: nn.LSTM(4, 3, 2))
    nets = make(), make()
    nets[1].load_state_dict(nets[0].state_dict())
    losses = [
        lambda x, mask, net=net: (net(x, x, x, key_padding_mask=mask)[0] if masked else net(x)[0]).pow(2).mean()
        for net in nets
    ]
    planned, plain = (engine.optim.SGD(net.parameters(), lr=0.5) for net in nets)
    step, rng = underhood.plan(losses[0], planned), np.random.default_rng(0)
    for i in range(3):
        x = engine.tensor(rng.normal(size=(5, 2, 4)).astype(np.float32))
        mask = engine.tensor(np.arange(10).reshape(2, 5) % 4 == i)
        loss = step(x, mask)
        plain.zero_grad()
        expected = losses[1](x, mask)
        expected.backward()
        plain.step()
        assert step.reason == ""
        np.testing.assert_allclose(loss.item(), expected.item(), rtol=1e-4)
    for p, q in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-3, atol=1e-5)


def test_packed_sequences_are_refused_by_name():
    with pytest.raises(TypeError, match="packed"):
        nn.LSTM(3, 4)((engine.draws.rand(5, 3), None))


def test_dropout_without_a_second_layer_is_told():
    with pytest.warns(UserWarning, match="between layers"):
        nn.LSTM(3, 4, dropout=0.5)
