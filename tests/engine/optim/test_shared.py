"""What all optimisers share beside torch's: groups, gradients, a closure, state handed over, what is refused."""

import numpy as np
import pytest
import torch

import underhood

LIBS = (underhood, torch)


def weights(lib, *values):
    return [lib.nn.Parameter(lib.tensor(value, dtype=lib.float64)) for value in values]


@pytest.mark.parametrize("lib", LIBS)
def test_gradients_become_zeros_or_go(lib):
    w, unused = weights(lib, [1.0, 2.0], [3.0])
    optimizer = lib.optim.SGD([w, unused], lr=0.1)
    (w * w).sum().backward()
    kept = w.grad
    optimizer.zero_grad(set_to_none=False)
    assert w.grad is kept
    assert kept.tolist() == [0.0, 0.0]
    assert unused.grad is None
    optimizer.zero_grad()
    assert w.grad is None


@pytest.mark.parametrize("lib", LIBS)
def test_a_closure_computes_with_gradients_and_its_loss_comes_back(lib):
    (w,) = weights(lib, [3.0])
    optimizer = lib.optim.SGD([w], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with lib.no_grad():
        loss = optimizer.step(closure)
    assert loss.item() == 9.0
    assert w.tolist() == [1.5]
    assert optimizer.step() is None


@pytest.mark.parametrize("lib", LIBS)
def test_a_group_added_later_has_settings_of_its_own(lib):
    one, other, third = weights(lib, [1.0], [1.0], [1.0])
    optimizer = lib.optim.SGD([{"params": [one]}, {"params": other, "lr": 0.5}], lr=0.1, momentum=0.9)
    optimizer.add_param_group({"params": third, "momentum": 0.0})
    assert [(g["lr"], g["momentum"], len(g["params"])) for g in optimizer.param_groups] == [
        (0.1, 0.9, 1),
        (0.5, 0.9, 1),
        (0.1, 0.0, 1),
    ]
    for _ in range(2):
        optimizer.zero_grad()
        (one + other + third).sum().backward()
        optimizer.step()
    assert [w.item() for w in (one, other, third)] == pytest.approx([1 - 0.29, 1 - 1.45, 1 - 0.2])


def test_parameters_without_a_gradient_stay_and_are_not_counted():
    w, unused = weights(underhood, [1.0], [2.0])
    optimizer = underhood.optim.Adam([w, unused], lr=0.1)
    w.sum().backward()
    before = unused.versions[0], w.versions[0]
    optimizer.step()
    assert unused.tolist() == [2.0]
    assert unused not in optimizer.state
    assert (unused.versions[0], w.versions[0]) == (before[0], before[1] + 1)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "NAdam", "RMSprop", "Adagrad", "Adadelta"])
@pytest.mark.parametrize("source", LIBS)
def test_a_state_goes_on_from_either_library(source, name):
    """Three steps, the state handed over, two steps more: as five steps."""
    settings = {"lr": 0.01} | ({"momentum": 0.9} if name == "SGD" else {})

    def steps(w, optimizer, count):
        for _ in range(count):
            optimizer.zero_grad()
            (w * w * w).sum().backward()
            optimizer.step()

    (whole,) = weights(torch, [1.0, -2.0, 0.5])
    steps(whole, getattr(torch.optim, name)([whole], **settings), 5)
    (begun,) = weights(source, [1.0, -2.0, 0.5])
    first = getattr(source.optim, name)([begun], **settings)
    steps(begun, first, 3)
    (w,) = weights(underhood, begun.tolist())
    second = getattr(underhood.optim, name)([w], lr=123.0)
    second.load_state_dict(first.state_dict())
    assert second.param_groups[0]["lr"] == 0.01
    steps(w, second, 2)
    np.testing.assert_allclose(w.tolist(), whole.tolist(), rtol=1e-9)  # NAdam's product is float32 there


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_a_state_dict_numbers_the_parameters_as_torchs(name):
    found = []
    for lib in LIBS:
        a, b, c = weights(lib, [1.0], [2.0], [3.0])
        optimizer = getattr(lib.optim, name)([{"params": [a, b]}, {"params": [c], "lr": 0.5}], lr=0.1)
        (a + c).sum().backward()
        optimizer.step()
        state = optimizer.state_dict()
        found.append((sorted(state["state"]), [(g["params"], g["lr"]) for g in state["param_groups"]]))
    assert found[0][1] == found[1][1] == [([0, 1], 0.1), ([2], 0.5)]
    assert found[0][0] == [0, 2]


REFUSED = {
    "no parameters": lambda lib: lib.optim.SGD([], lr=0.1),
    "a number": lambda lib: lib.optim.SGD([1.0], lr=0.1),
    "what is computed": lambda lib: lib.optim.SGD([weights(lib, [1.0])[0] * 2], lr=0.1),
    "one in two groups": lambda lib: twice(lib),
    "a state of other groups": lambda lib: lib.optim.SGD(weights(lib, [1.0]), lr=0.1).load_state_dict(
        lib.optim.SGD(weights(lib, [1.0], [2.0]), lr=0.1).state_dict()
    ),
    "a state of more groups": lambda lib: lib.optim.SGD(weights(lib, [1.0]), lr=0.1).load_state_dict(
        lib.optim.SGD([{"params": weights(lib, [1.0])}, {"params": weights(lib, [1.0])}], lr=0.1).state_dict()
    ),
    "another word": lambda lib: lib.optim.SGD(weights(lib, [1.0]), lr=0.1, speed=2),
}


def twice(lib):
    (w,) = weights(lib, [1.0])
    lib.optim.SGD([{"params": [w]}, {"params": [w]}], lr=0.1)


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_torchs_error(name):
    with pytest.raises(Exception) as theirs:  # noqa: PT011 - whatever torch raises
        REFUSED[name](torch)
    with pytest.raises(theirs.type):
        REFUSED[name](underhood)


def test_what_is_not_offered_is_said():
    (w,) = weights(underhood, [1.0])
    for word in ("capturable", "differentiable"):
        with pytest.raises(NotImplementedError, match=rf"Adam\({word}=True\)"):
            underhood.optim.Adam([w], **{word: True})
        underhood.optim.Adam([w], **{word: False})
    for word in ("foreach", "fused"):
        underhood.optim.Adam([w], **{word: True})
    with pytest.raises(TypeError, match=r"unknown settings in a parameter group: \['speed'\]"):
        underhood.optim.SGD([{"params": [w], "speed": 2}], lr=0.1)
    with pytest.raises(NotImplementedError):
        underhood.optim.Optimizer([w], {}).constants({}, {}, False)


def test_an_optimiser_reads_as_its_call():
    said = repr(underhood.optim.SGD(weights(underhood, [1.0]), lr=0.1, momentum=0.5))
    assert said.startswith("SGD(lr=0.1, momentum=0.5, ")
