"""What PyTorch's modules and optimisers refuse is refused here, by an error of the same type."""

import pytest
import torch

import underhood

REFUSED = """
    nn.Unflatten(1, 6.0)                                                         | tuple of ints
    nn.Embedding(4, 3, _weight=z(3, 4))                                          | num_embeddings
    nn.Linear(2, 3).get_buffer("mean")                                           | mean
    nn.LSTM(2, 3, proj_size=-1)                                                  | proj_size
    nn.LSTM(2, 3, proj_size=3)                                                   | proj_size
    nn.MultiheadAttention(4, 2)(z(4), z(4), z(4))                                | 2D or batched 3D
    nn.MultiheadAttention(4, 2)(z(3, 4), z(2, 3, 4), z(2, 3, 4))                 | .
    nn.MultiheadAttention(4, 2)(z(3, 4), z(3, 4), z(3, 4), attn_mask=t([[1, 2, 3]] * 3)) | only bool and floating
    nn.MultiheadAttention(4, 2)(z(3, 4), z(3, 4), z(3, 4), is_causal=True)       | .
    optim.SGD([], lr=0.1)                                                        | empty parameter list
    (lambda p: optim.SGD([{"params": [p]}, {"params": [p]}]))(z(2).requires_grad_()) | more than one parameter group
    sgd(1).load_state_dict(sgd(2).state_dict())                                  | group
    optim.lr_scheduler.ReduceLROnPlateau(3)                                      | Optimizer
    optim.lr_scheduler.CosineAnnealingWarmRestarts(sgd(1), 5, eta_min="0")       | eta_min
    """


def rows(table):
    return [tuple(part.strip() for part in line.rsplit(" | ", 1)) for line in table.strip().splitlines()]


def called(expression, lib):
    def sgd(count):
        return lib.optim.SGD([lib.zeros(2, requires_grad=True) for _ in range(count)], lr=0.1)

    names = {"lib": lib, "nn": lib.nn, "optim": lib.optim, "t": lib.tensor, "z": lambda *shape: lib.zeros(shape)}
    return eval(expression, names | {"sgd": sgd})


@pytest.mark.parametrize(("expression", "said"), rows(REFUSED))
def test_what_pytorch_refuses_is_refused_by_the_same_error(expression, said):
    with pytest.raises(Exception, match=r".") as expected:
        called(expression, torch)
    with pytest.raises(expected.type, match=said):
        called(expression, underhood)


def test_what_only_the_engine_refuses_is_said():
    with pytest.raises(TypeError, match="axes have no names here"):
        underhood.nn.Unflatten("features", (2, 3))
    with pytest.raises(RuntimeError, match="'most' is none of highest, high, medium"):
        underhood.set_float32_matmul_precision("most")


@pytest.mark.parametrize("lib", [torch, underhood], ids=["torch", "underhood"])
def test_a_module_is_prepared_before_it_gets_parts(lib):
    class Early(lib.nn.Module):
        def __init__(self):
            self.layer = lib.nn.Linear(1, 1)

    with pytest.raises(AttributeError, match=r"before Module\.__init__\(\) call"):
        Early()


@pytest.mark.parametrize("lib", [torch, underhood], ids=["torch", "underhood"])
def test_gradients_are_cleared_or_set_to_zero_as_asked(lib):
    p, q = (lib.ones(2, requires_grad=True) for _ in range(2))
    optimizer = lib.optim.SGD([p, q], lr=0.1)
    p.sum().backward()
    kept = p.grad
    optimizer.zero_grad(set_to_none=False)
    assert p.grad is kept
    assert (kept.tolist(), q.grad) == ([0, 0], None)
    optimizer.zero_grad()
    assert p.grad is None


@pytest.mark.parametrize("lib", [torch, underhood], ids=["torch", "underhood"])
def test_a_module_s_gradients_take_its_dtype(lib):
    net = lib.nn.Linear(2, 1)
    net(lib.ones(1, 2)).sum().backward()
    net.to(lib.float64)
    assert net.weight.dtype == net.weight.grad.dtype == lib.float64
    assert net.weight.grad.tolist() == [[1, 1]]
    assert net.cpu() is net


@pytest.mark.parametrize("lib", [torch, underhood], ids=["torch", "underhood"])
def test_a_sequential_is_joined_by_a_plus(lib):
    first, second = lib.nn.Sequential(lib.nn.ReLU()), lib.nn.Sequential(lib.nn.Tanh(), lib.nn.ReLU())
    assert [type(each).__name__ for each in first + second] == ["ReLU", "Tanh", "ReLU"]


@pytest.mark.parametrize("lib", [torch, underhood], ids=["torch", "underhood"])
def test_the_weights_of_a_recurrent_layer_by_layer_and_direction(lib):
    net = lib.nn.LSTM(2, 3, num_layers=2, bidirectional=True, proj_size=1)
    assert [[tuple(w.shape) for w in each] for each in net.all_weights] == [
        [(12, 2), (12, 1), (12,), (12,), (1, 3)],
        [(12, 2), (12, 1), (12,), (12,), (1, 3)],
        [(12, 2), (12, 1), (12,), (12,), (1, 3)],
        [(12, 2), (12, 1), (12,), (12,), (1, 3)],
    ]
