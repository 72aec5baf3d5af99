"""What PyTorch refuses is refused here, by an error of the same type that shows the shapes."""

import numpy as np
import pytest
import torch

from underhood import engine
from underhood.engine import functional


class Ours:
    F = functional

    @staticmethod
    def zeros(*shape):
        return engine.tensor(np.zeros(shape, np.float32))

    @staticmethod
    def indices(*numbers):
        return engine.tensor(np.array(numbers))


class PyTorch:
    F = torch.nn.functional
    zeros = staticmethod(torch.zeros)

    @staticmethod
    def indices(*numbers):
        return torch.tensor(numbers)


CASES = [
    ("conv2d(zeros(64, 1, 28, 28), zeros(20, 3, 5, 5))", r"wants 3 input channels, input \(64, 1, 28, 28\) has 1\.$"),
    ("conv2d(zeros(1, 4, 5, 5), zeros(4, 4, 3, 3), groups=2)", r"in 2 groups wants 8 input channels"),
    ("conv2d(zeros(1, 3, 5, 5), zeros(4, 1, 3, 3), groups=3)", r"does not divide into groups=3"),
    ("conv2d(zeros(1, 3, 5), zeros(4, 3, 3))", r"input|weight \(4, 3, 3\)"),
    ("conv2d(zeros(3, 5), zeros(4, 3, 3, 3))", r"3-D .* or 4-D .* input, got \(3, 5\)"),
    ("conv2d(zeros(1, 3, 5, 5), zeros(4, 3, 3, 3), zeros(3))", r"bias \(3,\) should be \(4,\)"),
    ("conv2d(zeros(1, 3, 2, 5), zeros(4, 3, 3, 3))", r"kernel \(3, 3\).*larger than input \(1, 3, 2, 5\)"),
    ("conv2d(zeros(1, 3, 5, 5), zeros(4, 3, 3, 3), stride=0)", r"stride \(0, 0\)"),
    ("conv2d(zeros(1, 3, 5, 5), zeros(4, 3, 3, 3), padding=-1)", r"negative padding"),
    ("conv2d(zeros(1, 3, 5, 5), zeros(4, 3, 3, 3), padding='full')", r"'full'"),
    ("conv2d(zeros(1, 3, 5, 5), zeros(4, 3, 3, 3), padding='same', stride=2)", r"not supported for strided"),
    ("conv2d(zeros(1, 3, 5, 5), zeros(4, 3, 3, 3).double())", r"input is float32, weight is float64"),
    ("conv2d(indices(1).reshape(1, 1, 1, 1), zeros(1, 1, 1, 1))", r"int64"),
    ("conv1d(zeros(2, 3, 5), zeros(4, 2, 3))", r"wants 2 input channels, input \(2, 3, 5\) has 3"),
    ("conv_transpose2d(zeros(1, 3, 5, 5), zeros(4, 2, 3, 3))", r"wants 4 input channels"),
    ("conv_transpose2d(zeros(1, 3, 5, 5), zeros(3, 2, 3, 3), output_padding=1)", r"smaller than stride \(1, 1\)"),
    ("conv_transpose1d(zeros(1, 3, 1), zeros(3, 2, 1), padding=1)", r"\[-1\]"),
    ("max_pool2d(zeros(1, 3, 2, 2), 3)", r"\(1, 3, 2, 2\) is too small for kernel \(3, 3\)"),
    ("max_pool2d(zeros(1, 3, 8, 8), 3, padding=2)", r"padding \(2, 2\) should be at most half"),
    ("max_pool2d(zeros(3, 8), 3)", r"got \(3, 8\)"),
    ("max_pool2d(zeros(1, 3, 8, 8), (3, 3, 3))", r"\[3, 3, 3\]"),
    ("max_pool1d(zeros(1, 3, 2), 3)", r"too small"),
    ("avg_pool2d(zeros(1, 3, 2, 2), 3)", r"too small"),
    ("avg_pool2d(zeros(1, 3, 4, 4), 2, divisor_override=0)", r"divisor_override"),
    ("avg_pool1d(zeros(1, 3, 2), 3)", r"too small"),
    ("adaptive_avg_pool2d(zeros(1, 3, 4, 4), (-1, 2))", r"\(-1, 2\)"),
    ("adaptive_avg_pool2d(zeros(1, 3, 0, 4), 2)", r"\(1, 3, 0, 4\)"),
    ("adaptive_max_pool1d(zeros(1, 3, 4), (1, 2))", r"\(1, 2\)"),
    ("batch_norm(zeros(2, 3, 4), zeros(4), zeros(4))", r"running_mean \(4,\) should be \(3,\)"),
    ("batch_norm(zeros(2, 3, 4), None, None, zeros(2), training=True)", r"weight \(2,\)"),
    ("batch_norm(zeros(3), zeros(3), zeros(3))", r"input \(3,\) should have a batch"),
    ("batch_norm(zeros(2, 3).double(), zeros(3), zeros(3))", r"input is float64, running_mean is float32"),
    ("layer_norm(zeros(2, 3).double(), (3,), zeros(3))", r"weight is float32"),
    ("bilinear(zeros(2, 3), zeros(2, 4).double(), zeros(5, 3, 4))", r"input2 is float64"),
    ("batch_norm(zeros(2, 3), None, None)", r"must be given"),
    ("batch_norm(zeros(1, 3), None, None, training=True)", r"more than 1 value per channel"),
    ("layer_norm(zeros(2, 3), (4,))", r"normalized_shape=\[4\].*\(2, 3\)"),
    ("layer_norm(zeros(2, 3), (3,), zeros(2))", r"weight \(2,\)"),
    ("rms_norm(zeros(2, 3), (2, 4))", r"\[2, 4\]"),
    ("group_norm(zeros(2, 3, 4), 2)", r"\(2, 3, 4\) do not divide into 2 groups"),
    ("group_norm(zeros(1, 2), 2)", r"more than 1 value"),
    ("group_norm(zeros(2, 4, 4), 2, zeros(3))", r"weight \(3,\)"),
    ("instance_norm(zeros(2, 3, 1))", r"more than 1 spatial element"),
    ("local_response_norm(zeros(2, 3), 2)", r"got 2 dimensions"),
    ("dropout(zeros(2, 3), 1.5)", r"between 0 and 1, but got 1\.5"),
    ("embedding(indices(0, 5), zeros(3, 2))", r"index 5 is out of range for weight \(3, 2\)"),
    ("embedding(indices(0, -1), zeros(3, 2))", r"index -1"),
    ("embedding(zeros(2), zeros(3, 2))", r"float32"),
    ("embedding(indices(0), zeros(3, 2), padding_idx=3)", r"3 must be within the 3 rows"),
    ("bilinear(zeros(2, 3), zeros(2, 4), zeros(5, 3, 3))", r"input2 \(2, 4\), weight \(5, 3, 3\)"),
    ("bilinear(zeros(2, 3), zeros(3, 4), zeros(5, 3, 4))", r"input1 \(2, 3\), input2 \(3, 4\)"),
    ("unfold(zeros(1, 2, 3, 3), 4)", r"larger than \(3, 3\)"),
    ("fold(zeros(1, 8, 5), (3, 3), 2)", r"2·2 = 4 windows, input \(1, 8, 5\) has 5"),
    ("fold(zeros(1, 7, 4), (3, 3), 2)", r"7 rows"),
    ("pad(zeros(2, 3, 4), (4, 0), mode='reflect')", r"at most 3, got \(4, 0\)"),
    ("pad(zeros(2, 3, 4), (5, 0), mode='circular')", r"at most 4"),
    ("pad(zeros(2, 3, 4), (1, 1, 1), value=1.0)", r"\(1, 1, 1\) should be pairs"),
    ("pad(zeros(3), (1, 1, 1, 1))", r"at most one for each axis of input \(3,\)"),
    ("pad(zeros(3), (1, 1), mode='reflect')", r"does not fit input \(3,\)"),
    ("pad(zeros(2, 3, 4), (1, 1), mode='mirror')", r"'mirror'"),
    ("pad(zeros(2, 3, 4), (-2, -3))", r"leaves nothing of axis 2"),
    ("pad(zeros(2, 3, 4), (1, 1), mode='reflect', value=1.0)", r"value"),
]


def call(expression, library):
    return eval(f"library.F.{expression}", {"library": library, "zeros": library.zeros, "indices": library.indices})


@pytest.mark.parametrize(("expression", "message"), CASES, ids=[expression for expression, _ in CASES])
def test_an_error_has_pytorchs_type_and_says_the_shapes(expression, message):
    with pytest.raises(Exception, match=r".") as expected:
        call(expression, PyTorch)
    with pytest.raises(expected.type, match=message):
        call(expression, Ours)


@pytest.mark.parametrize(
    ("p", "error", "said"),
    [("nuc", NotImplementedError, "no singular value decomposition"), ("fron", RuntimeError, "a number or 'fro'")],
)
def test_a_norm_by_name_is_fro_and_what_is_missing_is_said(p, error, said):
    with pytest.raises(error, match=said):
        engine.tensor(np.ones((2, 3))).norm(p)


@pytest.mark.parametrize("shape", [(3,), (2, 3, 3)])
def test_a_trace_is_of_a_matrix(shape):
    with pytest.raises(RuntimeError, match="expected a matrix"):
        torch.trace(PyTorch.zeros(*shape))
    with pytest.raises(RuntimeError, match=f"expected a matrix, but got tensor with dim {len(shape)}"):
        functional.trace(Ours.zeros(*shape))
