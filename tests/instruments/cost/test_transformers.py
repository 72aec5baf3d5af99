"""`cost` on the architectures of transformers: tiny configurations, random weights, nothing downloaded.

Held against the sum of the parameters' sizes, and against FlopCounterMode on real tensors, where attention and LSTM run
as plain products (it does not know the fused ones of a CPU). What that counter does not know is worked out by hand.
"""

import json
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from underhood.instruments.cost import cost
from underhood.instruments.inputs import make, parse_inputs

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

# name: configuration, model, inputs as the command line takes them, and the configuration's settings
CASES = json.loads(Path(__file__).with_name("architectures.json").read_text(encoding="utf-8"))

# multiply–adds of grouped products, which FlopCounterMode does not know: two tokens' sequences of 8, two experts each,
# three matrices of 32 by the experts' width, in so many layers
GROUPED = {
    "Mixtral": 2 * (2 * 8 * 2) * 3 * 32 * 64,
    "Qwen2Moe": 2 * (2 * 8 * 2) * 3 * 32 * 16,
    "Qwen3Moe": 2 * (2 * 8 * 2) * 3 * 32 * 16,
    "Olmoe": 2 * (2 * 8 * 2) * 3 * 32 * 64,
    "GptOss": 2 * (2 * 8 * 2) * 3 * 32 * 64,
    "Jamba": 2 * (2 * 8 * 2) * 3 * 32 * 64,
    "DeepseekV3": 1 * (2 * 8 * 2) * 3 * 32 * 16,
}
NOT_COUNTED = {"FNet": {"_fft_c2c"}}  # a fast Fourier transform has products, but no one number of them


def library():
    """Imported late: a second that no process needs which only collects these tests."""
    return pytest.importorskip("transformers")


def built(name):
    transformers = library()
    case = CASES[name]
    torch.manual_seed(0)
    config = getattr(transformers, case["config"])(**case["settings"])
    return getattr(transformers, case["model"])(config).eval(), parse_inputs(case["inputs"])


def flops(module, inputs):
    _, named = make(inputs, torch.float32, "cpu")
    module.requires_grad_(False)
    torch._C._set_mkldnn_enabled(False)
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            module(**named)
    finally:
        torch._C._set_mkldnn_enabled(True)
    return counter.get_total_flops()


@pytest.mark.parametrize("name", CASES)
def test_every_architecture_is_counted(name):
    module, inputs = built(name)
    found = cost(module, inputs)
    assert found.parameters == sum(p.numel() for p in module.parameters())
    assert 2 * found.macs == flops(module, inputs) + 2 * GROUPED.get(name, 0)
    assert set(found.unknown()) == NOT_COUNTED.get(name, set())
    assert "not written out" not in found.to_csv() + str(found.arithmetic)


def test_the_list_is_long():
    assert len(CASES) >= 100


def test_what_is_not_used_is_named():
    found = cost(*built("Dinov2"))
    assert found["embeddings.mask_token"].counts.learnt == 32
    assert found.notes == ("Not used in this pass, counted among the parameters: embeddings.mask_token.",)
    assert found["embeddings.cat"].counts.learnt == 32  # the class token


def test_mixtures_are_counted_without_numbers():
    transformers = library()
    config = transformers.MixtralConfig(num_hidden_layers=2)
    with torch.device("meta"):
        module = transformers.MixtralForCausalLM(config)
    found = cost(module, "1,16:int64")
    assert found.complete
    # q and o, k and v of 8 heads, the router and two experts; scores and their sums; the vocabulary's matrix
    layer = 16 * (2 * 4096**2 + 2 * 4096 * 1024 + 4096 * 8 + 2 * 3 * 4096 * 14336) + 2 * 16 * 16 * 4096
    assert found.macs == 2 * layer + 16 * 4096 * 32000
