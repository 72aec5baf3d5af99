"""Shapes in words and in Python."""

import pytest
import torch

from underhood.errors import BadInput
from underhood.instruments.inputs import Inputs, Spec, as_inputs, make, parse_inputs, with_batch


def test_words():
    assert parse_inputs(["32,1,28,28"]) == Inputs((Spec((32, 1, 28, 28)),), {})
    assert parse_inputs(["1x3x8x8"]).positional == (Spec((1, 3, 8, 8)),)
    assert parse_inputs(["1,16:int64"]).positional == (Spec((1, 16), "int64"),)
    assert parse_inputs(["2,3", "2,4"]).positional == (Spec((2, 3)), Spec((2, 4)))
    named = parse_inputs(["image=1,3,8,8", "batch.text=1,5:int64", "batch.deep.mask=1,5:bool"]).named
    assert named == {
        "image": Spec((1, 3, 8, 8)),
        "batch": {"text": Spec((1, 5), "int64"), "deep": {"mask": Spec((1, 5), "bool")}},
    }


def test_one_image_of_a_known_network_is_a_batch_of_one():
    assert parse_inputs(["3,32,32"], (3, 224, 224)).positional == (Spec((1, 3, 32, 32)),)
    assert parse_inputs(["8,3,32,32"], (3, 224, 224)).positional == (Spec((8, 3, 32, 32)),)
    assert as_inputs(None, (3, 4, 4)).positional == (Spec((1, 3, 4, 4)),)
    assert as_inputs((3, 5, 5), (3, 4, 4)).positional == (Spec((1, 3, 5, 5)),)


def test_python():
    assert as_inputs((2, 3)).positional == (Spec((2, 3)),)
    assert as_inputs([(2, 3), (2, 4)]).positional == (Spec((2, 3)), Spec((2, 4)))
    assert as_inputs({"a": (1, 2), "b": [(3,)]}).positional == ({"a": Spec((1, 2)), "b": [Spec((3,))]},)
    tensor = torch.zeros(2, 5, dtype=torch.int64)
    assert as_inputs(tensor).positional == (Spec((2, 5), "int64"),)
    assert as_inputs(Inputs((1,))) == Inputs((1,))
    assert as_inputs("1,4:uint8").positional == (Spec((1, 4), "uint8"),)


def test_tensors_are_made_as_said():
    inputs = Inputs((Spec((2, 3)), {"ids": Spec((2, 4), "int64")}, 7), {"mask": [Spec((2,), "bool")]})
    positional, named = make(inputs, torch.float64, "cpu")
    assert (positional[0].dtype, tuple(positional[0].shape)) == (torch.float64, (2, 3))
    assert torch.equal(positional[1]["ids"], torch.zeros(2, 4, dtype=torch.int64))
    assert positional[2] == 7
    assert named["mask"][0].dtype == torch.bool
    assert make(inputs, torch.float32, "meta")[0][0].device.type == "meta"


def test_text():
    inputs = Inputs((Spec((2, 3)), {"a": Spec((1,), "int64")}, [Spec(())]), {"k": Spec((4,))})
    assert str(inputs) == "2×3, {a: 1 int64}, [a number], k=4"


@pytest.mark.parametrize("text", ["", "3,a", "0,3", "1,3:float", "-1,3"])
def test_mistakes(text):
    with pytest.raises(BadInput, match="--input"):
        parse_inputs([text])


def test_an_unknown_dtype_gets_the_nearest():
    with pytest.raises(BadInput, match='unknown dtype "int6": did you mean "int64"'):
        parse_inputs(["1,3:int6"])


def test_another_batch_keeps_all_else():
    inputs = Inputs((Spec((4, 3), "int64"), {"mask": Spec((4, 1), "bool"), "scale": Spec((2,))}), {"x": [Spec((4,))]})
    found = with_batch(inputs, 9)
    assert found.positional == (Spec((9, 3), "int64"), {"mask": Spec((9, 1), "bool"), "scale": Spec((2,))})
    assert found.named == {"x": [Spec((9,))]}
