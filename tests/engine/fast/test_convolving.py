"""The phases of a strided convolution's input gradient, held against every tap and position counted one by one."""

from itertools import product

import pytest

from underhood.engine.fast.convolving import phases


@pytest.mark.parametrize(("stride", "dilation"), list(product(range(1, 5), repeat=2)))
def test_each_input_is_met_by_the_taps_that_see_it(stride, dilation):
    """Output y sees through tap i the input at stride·y + dilation·i − before."""
    for size, kernel, before in product(range(1, 9), range(1, 5), range(4)):
        found = {}
        for phase in phases(size, kernel, stride, before, dilation):
            for n in range(phase.inputs):
                met = [(i, phase.begin + n + j * phase.step) for j, i in enumerate(phase.taps)]
                found[phase.first + n * stride] = sorted(met)
        ends = range(-dilation * kernel - 1, size + before + 2)
        expected = {
            v: [(i, y) for i in range(kernel) for y in ends if stride * y + dilation * i - before == v]
            for v in range(size)
        }
        assert found == expected, (size, kernel, before)
