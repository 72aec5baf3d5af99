"""Shapes as words and as Python: bounds, dtypes, nests, batches."""

import pytest
import torch
from torch import nn

from underhood.errors import BadInput
from underhood.instruments.inputs import (
    DTYPES,
    Inputs,
    Spec,
    as_inputs,
    as_spec,
    batch_size,
    make,
    make_for,
    parse_inputs,
    with_batch,
)


@pytest.mark.parametrize(
    ("text", "shape"),
    [("1", (1,)), ("1,", (1,)), ("2×3x4,5", (2, 3, 4, 5)), (" 2, 3 ", (2, 3)), ("1,1", (1, 1)), ("10,,3", (10, 3))],
)
def test_sizes_in_words(text, shape):
    assert parse_inputs([text]).positional == (Spec(shape),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0,3", "--input 0,3: every size is 1 or more, as 1,3,224,224"),
        ("3,-1", "--input 3,-1: every size is 1 or more, as 1,3,224,224"),
        ("", "--input : every size is 1 or more, as 1,3,224,224"),
        ("x=", "--input x=: every size is 1 or more, as 1,3,224,224"),
        ("x=1,a", "--input x=1,a: sizes are whole numbers with commas between, as 1,3,224,224"),
        ("1.5", "--input 1.5: sizes are whole numbers with commas between, as 1,3,224,224"),
        ("1:int6", '--input 1:int6: unknown dtype "int6": did you mean "int64" or "uint8"?'),
    ],
)
def test_mistakes_word_for_word(text, said):
    with pytest.raises(BadInput) as error:
        parse_inputs([text])
    assert str(error.value) == said


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_has_its_tensors(dtype):
    (spec,) = parse_inputs([f"2,3:{dtype}"]).positional
    assert spec == Spec((2, 3), dtype)
    for device in ("cpu", "meta"):
        (tensor,), named = make(Inputs((spec,)), torch.float32, device)
        assert (tensor.dtype, tuple(tensor.shape), tensor.device.type) == (getattr(torch, dtype), (2, 3), device)
        assert named == {}
    (tensor,), _ = make(Inputs((Spec((50,), dtype),)), torch.float32, "cpu")
    assert bool(tensor.any()) is tensor.is_floating_point()
    assert as_spec(tensor) == Spec((50,), dtype)


def test_complex_numbers_are_drawn():
    (tensor,), _ = make(Inputs((Spec((5,)),)), torch.complex64, "cpu")
    assert tensor.dtype == torch.complex64
    assert tensor.abs().min() > 0


def test_names_and_entries_of_dicts_in_any_order():
    found = parse_inputs(["a.x=1,2", "3,4", "a.y.z=5", "b=6", "a.y.w=7"])
    assert found.positional == (Spec((3, 4)),)
    assert found.named == {"a": {"x": Spec((1, 2)), "y": {"z": Spec((5,)), "w": Spec((7,))}}, "b": Spec((6,))}


def test_a_batch_is_added_to_one_image_alone():
    image = (3, 8, 8)
    assert parse_inputs(["x=3,9,9"], image).named == {"x": Spec((1, 3, 9, 9))}
    assert parse_inputs(["5,3:int64"], image).positional == (Spec((5, 3), "int64"),)
    assert parse_inputs(["3,9,9:int64"], image).positional == (Spec((1, 3, 9, 9), "int64"),)
    assert as_inputs("3,9,9", image).positional == (Spec((1, 3, 9, 9)),)
    assert as_inputs((4, 3, 9, 9), image).positional == (Spec((4, 3, 9, 9)),)
    assert as_inputs([(3, 9, 9)], image).positional == (Spec((3, 9, 9)),)
    assert as_inputs((3, 9, 9)).positional == (Spec((3, 9, 9)),)
    with pytest.raises(BadInput, match=r"^say the input's shape, batch included: --input 1,3,224,224, or cost"):
        as_inputs(None)


def test_nests_stay_nests():
    found = as_spec({"a": [(1, 2), ((3,), (4, 5))], "b": "word", "c": None, "d": 1.5, "e": torch.zeros(2)})
    assert found == {
        "a": [Spec((1, 2)), (Spec((3,)), Spec((4, 5)))], "b": "word", "c": None, "d": 1.5, "e": Spec((2,), "float32"),
    }  # fmt: skip
    assert as_spec(()) == Spec(())
    assert as_spec(Spec((2,))) == Spec((2,))


def test_specs_in_words():
    found = [str(spec) for spec in (Spec((2, 3)), Spec(()), Spec((4,), "int64"), Spec((), "bool"))]
    assert found == ["2×3", "a number", "4 int64", "a number bool"]
    assert str(Inputs((), {"a": (Spec((1,)), 2), "b": {"c": Spec((3,))}})) == "a=[1, 2], b={c: 3}"
    assert str(Inputs()) == ""


@pytest.mark.parametrize(
    ("inputs", "size"),
    [
        (Inputs((Spec((4, 3)),)), 4),
        (Inputs(([{"a": Spec((5,))}], Spec((4, 3)))), 5),
        (Inputs((7, "word"), {"x": Spec((6, 2))}), 6),
        (Inputs((Spec(()), Spec((4,)))), 1),
        (Inputs((7,)), 1),
        (Inputs(), 1),
    ],
)
def test_the_batch_is_the_first_size_of_the_first_input(inputs, size):
    assert batch_size(inputs) == size


def test_another_batch_takes_what_had_the_old_one():
    inputs = Inputs(
        (Spec((4, 4), "int64"), Spec((3, 4)), Spec(()), (Spec((4,)), [7, "word"])), {"k": {"m": Spec((4, 1))}}
    )
    found = with_batch(inputs, 1)
    assert found.positional == (Spec((1, 4), "int64"), Spec((3, 4)), Spec(()), (Spec((1,)), [7, "word"]))
    assert found.named == {"k": {"m": Spec((1, 1))}}
    assert with_batch(Inputs((Spec((4,)),)), 2).named is None
    for batch in (0, -1):
        with pytest.raises(BadInput, match=f"^batch: at least 1, not {batch}$"):
            with_batch(inputs, batch)


def test_inputs_are_of_the_networks_type():
    inputs = Inputs((Spec((2, 3)), Spec((2,), "int64"), [5]), {"y": (Spec((1,)), "word")})
    for module, dtype in (
        (nn.Linear(3, 2).double(), torch.float64),
        (nn.Linear(3, 2).half(), torch.float16),
        (nn.ReLU(), torch.float32),
    ):
        (x, ids, rest), named = make_for(module, inputs, "cpu")
        assert (x.dtype, ids.dtype, rest) == (dtype, torch.int64, [5])
        assert named["y"][0].dtype == dtype
        assert named["y"][1] == "word"
    mixed = nn.Module()
    mixed.ids = nn.Parameter(torch.zeros(2, dtype=torch.int64), requires_grad=False)
    mixed.weight = nn.Parameter(torch.zeros(2, dtype=torch.float64))
    assert make_for(mixed, inputs, "meta")[0][0].dtype == torch.float64
