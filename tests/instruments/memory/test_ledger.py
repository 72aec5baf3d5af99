"""The books of a step, against sums that can be done by hand."""

import pytest
import torch
from torch import nn

from underhood.instruments.memory.ledger import KINDS, keep_books, loss_of
from underhood.instruments.memory.optimizers import optimizer
from underhood.instruments.memory.workspace import blocked, workspace
from underhood.instruments.record import PassError


def on_meta(build, *shape):
    with torch.device("meta"):
        return build(), torch.empty(*shape)


def mlp():
    return nn.Sequential(nn.Linear(100, 200), nn.ReLU(), nn.Linear(200, 10))


WEIGHTS = 4 * (100 * 200 + 200 + 200 * 10 + 10)


@pytest.mark.parametrize(
    ("words", "times"),
    [("sgd", 0), ("sgd,momentum=0.9", 1), ("adam", 2), ("adamw", 2), ("rmsprop", 1), ("adagrad", 1), ("adadelta", 2)],
)
def test_weights_gradients_and_state_are_what_theory_says(words, times):
    net, x = on_meta(mlp, 8, 100)
    ledger = keep_books(net, (x,), {}, optimizer(words))
    assert ledger.highest("weights") == WEIGHTS
    assert ledger.highest("gradients") == WEIGHTS
    # beside the buffers, torch keeps a counter of steps for each weight
    assert times * WEIGHTS <= ledger.highest("state") <= times * WEIGHTS + 4 * 4


def test_saved_activations_are_counted_once_and_by_layer():
    net, x = on_meta(mlp, 8, 100)
    ledger = keep_books(net, (x,), {}, optimizer("sgd"))
    # the ReLU's output is saved by the ReLU and by the next layer; the first layer's own is not saved at all
    assert ledger.saved["1"] == 4 * 8 * 200
    assert ledger.saved["2"] == 0
    assert ledger.saved["0"] == 0
    batch, softmax = 4 * 8 * 100, 4 * 8 * 10
    assert ledger.highest("activations") == pytest.approx(batch + ledger.saved["1"] + softmax, abs=8 * 8 + 16)


def test_what_a_step_writes_is_every_output_and_every_gradient_once():
    net, x = on_meta(mlp, 8, 100)
    ledger = keep_books(net, (x,), {}, optimizer("sgd"))
    hidden, classes = 4 * 8 * 200, 4 * 8 * 10
    # forwards the two layers, the ReLU and the softmax, backwards as much again; then scalars and the labels
    assert ledger.written == pytest.approx(WEIGHTS + 4 * hidden + 4 * classes, abs=8 * 8 + 16)


def test_memory_grows_with_the_batch_in_activations_alone():
    found = []
    for batch in (16, 32):
        net, x = on_meta(mlp, batch, 100)
        found.append(keep_books(net, (x,), {}, optimizer("adam")))
    small, large = found
    for kind in ("weights", "gradients", "state"):
        assert small.highest(kind) == large.highest(kind)
    assert large.highest("activations") == pytest.approx(2 * small.highest("activations"), rel=0.01)


def test_phases_come_in_order_and_sums_are_sums():
    net, x = on_meta(mlp, 8, 100)
    ledger = keep_books(net, (x,), {}, optimizer("adam"))
    phases = list(dict.fromkeys(moment.phase for moment in ledger.moments))
    assert phases == ["forward", "backward", "update"]
    assert all(moment.bytes == sum(moment.kinds[kind] for kind in KINDS) for moment in ledger.moments)
    assert all(count >= 0 for moment in ledger.moments for count in moment.kinds.values())
    assert ledger.peak.bytes == max(moment.bytes for moment in ledger.moments)
    turns = list(dict.fromkeys(m.layer for m in ledger.moments if m.phase == "backward" and m.layer))
    assert turns == ["2", "1", "0"]


def test_updating_inside_backward_never_holds_all_gradients():
    net, x = on_meta(mlp, 8, 100)
    ledger = keep_books(net, (x,), {}, optimizer("sgd"), in_backward=True)
    assert ledger.highest("gradients") == 4 * 100 * 200  # the largest alone


def test_an_error_says_in_which_layer():
    net, x = on_meta(mlp, 8, 99)
    with pytest.raises(PassError) as caught:
        keep_books(net, (x,), {}, optimizer("sgd"))
    assert caught.value.path == "0"


def test_a_convolution_copies_into_blocks_of_channels(monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    x, weight, z = (torch.empty(*shape, device="meta") for shape in ((2, 20, 8, 8), (12, 20, 3, 3), (2, 12, 8, 8)))
    assert blocked(x) == 4 * 2 * 24 * 64  # 20 channels fill three blocks of eight
    assert blocked(torch.empty(2, 3, 8, 8, device="meta"), image=True) == 0
    forward = workspace(torch.ops.aten.convolution.default, (x, weight), z)
    copies, filters, result = 4 * 2 * 24 * 64, 4 * 12 * 20 * 9, 4 * 2 * 16 * 64
    assert sum(forward) == max(copies + filters + result - 4 * 2 * 12 * 64, result)
    backward = workspace(torch.ops.aten.convolution_backward.default, (z, x, weight), None)
    assert sum(backward) == result + copies + filters
    assert workspace(torch.ops.aten.mm.default, (x, x), x) == []


def test_avx_512_has_wider_blocks(monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert blocked(torch.empty(1, 20, 4, 4, device="meta")) == 4 * 32 * 16


def test_the_loss_is_cross_entropy_for_logits_and_squares_otherwise():
    logits = torch.zeros(3, 10)
    assert loss_of(logits).item() == pytest.approx(2.302585, rel=1e-6)
    assert loss_of((torch.full((2,), 3.0), {"a": torch.ones(1)})).item() == 19.0


@pytest.mark.parametrize("words", ["sgd", "adam"])
def test_every_block_that_is_taken_is_given_back_once(words):
    """What still stands when the optimiser is gone are the weights, their gradients and the batch."""
    net, x = on_meta(mlp, 8, 100)
    ledger = keep_books(net, (x,), {}, optimizer(words))
    standing = {}
    most = 0
    for block, size in ledger.events:
        assert (block in standing) is (size == 0)
        if size:
            standing[block] = size
        else:
            del standing[block]
        most = max(most, sum(standing.values()))
    assert sum(standing.values()) == 2 * WEIGHTS + 4 * 8 * 100
    assert most == ledger.peak.bytes


def test_of_a_picture_no_copy_is_made_forward_or_backward():
    """Three channels are read as they are; of four a copy in blocks is made."""
    weight = torch.empty(5, 3, 3, 3, device="meta")
    for channels, copied in ((3, 0), (4, None)):
        x, z = torch.empty(2, channels, 8, 8, device="meta"), torch.empty(2, 5, 6, 6, device="meta")
        backward = workspace(torch.ops.aten.convolution_backward.default, (z, x, weight), None)
        assert backward == [blocked(z), blocked(x) if copied is None else copied, 4 * weight.numel()]
