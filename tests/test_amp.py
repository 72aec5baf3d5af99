"""Mixed precision and accelerators where there are none, beside PyTorch's own that are switched off."""

import pytest
import torch

from underhood import accelerator, amp


def test_the_scaler_is_as_pytorch_s_that_is_disabled():
    ours, theirs = amp.GradScaler(), torch.amp.GradScaler("cpu", enabled=False)
    assert ours.is_enabled() is theirs.is_enabled() is False
    assert ours.get_scale() == theirs.get_scale() == 1.0
    assert ours.state_dict() == theirs.state_dict() == {}
    loss = object()
    assert ours.scale(loss) is loss
    assert ours.load_state_dict({"scale": 3.0}) is ours.update(2.0) is None


def test_the_scaler_steps_the_optimiser_and_hands_on_what_it_returns():
    class Optimizer:
        def step(self, *closure):
            return closure

    def closure():
        return 3

    assert amp.GradScaler("cuda").step(Optimizer()) == ()
    assert amp.GradScaler("cuda").step(Optimizer(), closure) == (closure,)


@pytest.mark.parametrize("device", ["cuda", "cuda:1", torch.device("cuda", 0)])
def test_a_scaler_for_cuda_is_taken(device):
    assert not amp.GradScaler(device, 65536.0, growth_interval=10).is_enabled()


@pytest.mark.parametrize("device", ["cpu", "mps", "mps:0"])
def test_a_scaler_for_another_device_is_refused_unless_it_is_disabled(device):
    with pytest.raises(NotImplementedError) as caught:
        amp.GradScaler(device)
    assert str(caught.value) == f"GradScaler({device!r}): float32 needs no scale; pass enabled=False"
    assert not amp.GradScaler(device, enabled=False).is_enabled()


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_autocast_elsewhere_than_on_cuda_is_refused_unless_it_is_disabled(device):
    with pytest.raises(
        NotImplementedError, match=rf"^autocast\('{device}'\): .* it has no bfloat16; pass enabled=Fals"
    ):
        amp.autocast(device)
    for each in (amp.autocast(device, enabled=False), amp.autocast("cuda"), amp.autocast("cuda", enabled=False)):
        with each as given:
            assert given is None
        assert each(lambda x: x + 1)(2) == 3
        with pytest.raises(KeyError), each:
            raise KeyError


def test_there_is_no_accelerator():
    assert accelerator.is_available() is False
    assert accelerator.device_count() == 0
    assert accelerator.current_accelerator() is accelerator.current_accelerator(check_available=True) is None
