"""A replay that is broken off leaves the optimiser where it stood."""

import numpy as np
import pytest

import underhood
from underhood import nn, optim
from underhood.engine.fast.replay import Replay


def test_a_step_that_is_broken_off_is_not_counted(monkeypatch):
    """Ctrl-C in the midst of a replay: neither the steps nor the parameters' versions count it."""
    net = nn.Linear(3, 2)
    optimizer = optim.Adam(net.parameters(), lr=0.1)
    plan = underhood.plan(lambda x: net(x).square().mean(), optimizer)
    x = underhood.tensor(np.ones((4, 3), np.float32))
    for _ in range(4):
        plan(x)
    before = [(int(optimizer.state[p]["step"]), *p.versions) for p in net.parameters()]
    weights = [p.detach().clone().numpy() for p in net.parameters()]

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Replay, "_run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            plan(x)
    assert [(int(optimizer.state[p]["step"]), *p.versions) for p in net.parameters()] == before
    for p, w in zip(net.parameters(), weights, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), w)
    plan(x)
    assert [optimizer.state[p]["step"] for p in net.parameters()] == [steps + 1 for steps, *_ in before]
