"""The fused LSTM's stand-in on meta: torch's shapes and gradients, and its bytes against a measured step."""

import pytest
import torch
from torch import nn

from underhood.instruments.memory import memory
from underhood.instruments.memory.recurrent import fused_lstms, kept_bytes

NETWORK = """
from torch import nn

class TwoWays(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.LSTM(64, 128, 2, bidirectional=True, batch_first=True), nn.Linear(256, 10)

    def forward(self, x):
        return self.head(self.rnn(x)[0][:, -1])
"""


@pytest.mark.parametrize(
    "settings",
    [{}, {"bidirectional": True, "num_layers": 2, "dropout": 0.5}, {"bias": False, "batch_first": True}],
)
def test_shapes_and_gradients_are_those_of_torch(settings):
    real, meta = nn.LSTM(5, 7, **settings), nn.LSTM(5, 7, **settings, device="meta")
    x = torch.randn(3, 4, 5)
    expected = real(x)[0]
    with fused_lstms():
        found, (h, c) = meta(x.to("meta"))
        found.sum().backward()
    assert found.shape == expected.shape
    assert h.shape == c.shape == real(x)[1][0].shape
    assert all(p.grad.shape == p.shape for p in meta.parameters())


def test_what_is_kept_is_one_piece():
    saved = []

    def pack(tensor):
        saved.append(tensor)
        return tensor

    with fused_lstms(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        nn.LSTM(5, 20, device="meta")(torch.empty(6, 2, 5, device="meta"))
    assert [len(x) for x in saved if x.dtype == torch.uint8] == [kept_bytes(6, 2, 20)] == [4 * 12 * (80 + 20)]


@pytest.mark.slow
def test_a_two_way_lstm_against_a_measured_step(tmp_path):
    (tmp_path / "net.py").write_text(NETWORK, encoding="utf-8")
    (step,) = memory(f"{tmp_path}/net.py:TwoWays", (64, 100, 64), measure=True).steps
    assert step.own_error == pytest.approx(0, abs=0.2)
