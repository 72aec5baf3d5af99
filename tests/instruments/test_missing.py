"""What PyTorch has and the package lacks: refused by name, and the list in the documents is the whole of it."""

import json
from pathlib import Path

import pytest

import underhood
from underhood.engine.missing import FILE, torch_names
from underhood.instruments import missing

PAGE = Path(__file__).parents[2] / "docs" / "differences.md"


def test_the_stored_names_are_pytorchs():
    assert json.loads(FILE.read_text(encoding="utf-8")) == missing.names_of_torch()


def test_the_page_lists_all_that_is_missing():
    """`make docs` brings it up to date."""
    page = PAGE.read_text(encoding="utf-8")
    assert page[page.index(missing.BEGIN) : page.index(missing.END) + len(missing.END)] == missing.section()


@pytest.mark.parametrize(
    ("module", "name", "said"),
    [
        (underhood, "bfloat16", "underhood has no bfloat16, which torch has; the nearest is float32"),
        (underhood, "fft", "numpy.fft"),
        (underhood.nn, "Conv3d", "underhood.nn has no Conv3d, which torch.nn has; the nearest is Conv"),
        (underhood.nn, "LazyLinear", "the nearest is nn.Linear"),
        (underhood.nn.functional, "ctc_loss", "underhood.nn.functional has no ctc_loss"),
        (underhood.optim, "Rprop", "underhood.optim has no Rprop.*RMSprop"),
        (underhood.optim.lr_scheduler, "CyclicLR", "underhood.optim.lr_scheduler has no CyclicLR.*OneCycleLR"),
        (underhood.utils.data, "DistributedSampler", "RandomSampler"),
        (underhood.autograd, "Function", "page of the engine"),
        (underhood.zeros(1), "lgamma", "underhood.Tensor has no lgamma, which torch.Tensor has"),
    ],
)
def test_a_missing_name_is_refused_with_the_nearest_thing_and_the_page(module, name, said):
    with pytest.raises(AttributeError, match=said) as error:
        getattr(module, name)
    assert "docs/differences.md" in str(error.value)
    assert not hasattr(module, name)


@pytest.mark.parametrize("module", [underhood, underhood.nn, underhood.optim, underhood.nn.functional])
def test_a_name_that_nobody_has_is_no_attribute(module):
    with pytest.raises(AttributeError, match="has no attribute 'tensr'"):
        module.tensr  # noqa: B018
    with pytest.raises(AttributeError, match="object has no attribute 'tensr'"):
        underhood.zeros(1).tensr  # noqa: B018


def test_names_are_known_without_pytorch():
    assert {"Conv3d", "Linear"} <= torch_names()["torch.nn"]
    assert "backward" in torch_names()["torch.Tensor"]
