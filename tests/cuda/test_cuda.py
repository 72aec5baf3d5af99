"""torch.cuda, torch.accelerator and torch.backends as they are where there is no GPU."""

import inspect

import pytest
import torch

import underhood
from underhood import accelerator, backends, cuda


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (cuda.is_available, False),
        (cuda.is_initialized, False),
        (cuda.is_bf16_supported, False),
        (cuda.device_count, 0),
        (cuda.memory_allocated, 0),
        (cuda.max_memory_allocated, 0),
        (cuda.empty_cache, None),
        (cuda.reset_peak_memory_stats, None),
        (lambda: cuda.manual_seed(3), None),
        (lambda: cuda.manual_seed_all(3), None),
        (lambda: cuda.memory_allocated("cuda:0"), 0),
        (lambda: cuda.max_memory_allocated(0), 0),
        (lambda: cuda.is_bf16_supported(including_emulation=False), False),
        (backends.cuda.is_built, False),
        (backends.cudnn.is_available, False),
        (backends.cudnn.version, None),
        (backends.mps.is_available, False),
        (backends.mps.is_built, False),
        (accelerator.is_available, False),
        (accelerator.device_count, 0),
        (accelerator.current_accelerator, None),
        (lambda: accelerator.current_accelerator(check_available=True), None),
    ],
)
def test_nothing_is_there(ask, answer):
    found = ask()
    assert found == answer
    assert type(found) is type(answer)


@pytest.mark.parametrize("name", ["synchronize", "current_device", "get_device_name"])
def test_what_needs_a_gpu_says_so(name):
    for arguments in ((), ("cuda:0",)):
        with pytest.raises(RuntimeError, match=r"runs on the CPU: cuda\.is_available\(\) is False; use torch's"):
            getattr(cuda, name)(*arguments)


def test_the_switches_stand_as_torchs_do():
    assert backends.cuda.matmul.allow_tf32 is False
    assert backends.cuda.matmul.allow_fp16_reduced_precision_reduction is True
    ours = {name: getattr(backends.cudnn, name) for name in ("enabled", "benchmark", "deterministic", "allow_tf32")}
    assert ours == {"enabled": True, "benchmark": False, "deterministic": False, "allow_tf32": True}


def test_every_name_that_is_offered_is_there():
    assert sorted(cuda.__all__) == list(cuda.__all__)
    for name in cuda.__all__:
        assert hasattr(cuda, name)
        assert hasattr(torch.cuda, name)


def test_mixed_precision_changes_nothing_and_hands_its_arguments_on():
    ours, theirs = (inspect.signature(lib.cuda.amp.autocast).parameters for lib in (underhood, torch))
    assert list(ours) == list(theirs)
    for settings in ({}, {"enabled": False}, {"dtype": underhood.float32}, {"cache_enabled": False}):
        with cuda.amp.autocast(**settings):
            assert (underhood.ones(2, 2) @ underhood.ones(2, 2)).dtype == underhood.float32
    assert isinstance(cuda.amp.autocast(), underhood.amp.autocast)
    assert cuda.amp.GradScaler is underhood.amp.GradScaler
