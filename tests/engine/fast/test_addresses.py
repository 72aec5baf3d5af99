"""Addresses of arrays, read behind the object header or asked of NumPy."""

import numba
import numpy as np
import pytest

from underhood.engine.fast import addresses, threads


@pytest.mark.parametrize("behind_head", [True, False])
def test_addresses_are_numpys(behind_head, monkeypatch):
    monkeypatch.setattr(addresses, "BEHIND_HEAD", behind_head and addresses.BEHIND_HEAD)
    some = np.arange(24.0).reshape(4, 6)
    arrays = [some, some[1:, 2:], some.T, np.zeros(3, np.int8), np.array(1.0)]
    expected = [a.__array_interface__["data"][0] for a in arrays]
    assert [addresses.address(a) for a in arrays] == expected
    table = np.zeros(6, np.int64)
    addresses.write_addresses(table, np.array([(4, 0), (1, 5), (0, 2), (1, 3)]), arrays)
    assert table.tolist() == [expected[4], 0, expected[0], expected[1], 0, expected[1]]


def test_another_layout_is_noticed(monkeypatch):
    assert addresses._is_behind_head()
    monkeypatch.setattr(addresses, "_word", lambda array: id(array))
    assert not addresses._is_behind_head()


def test_the_threads_are_numbas(monkeypatch):
    assert threads.thread_count() == numba.get_num_threads()
    monkeypatch.delattr(threads.parallel, "_get_num_threads", raising=False)
    monkeypatch.setattr(threads.numba, "get_num_threads", lambda: 7)
    assert threads.thread_count() == 7
