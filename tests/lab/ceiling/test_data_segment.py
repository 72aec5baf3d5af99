"""The limit of the data segment, set and put back; the system stands in for Linux's."""

import pytest

from underhood.lab.ceiling import data_segment


@pytest.mark.parametrize(("hard", "within"), [(-1, 100), (60, 60), (100, 100), (140, 100)])
@pytest.mark.parametrize("breaks", [False, True])
def test_the_limit_is_no_more_than_the_system_s_and_the_old_one_comes_back(monkeypatch, hard, within, breaks):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(data_segment.sys, "platform", "linux")
    limits = [(50, hard)]
    monkeypatch.setattr(resource, "RLIM_INFINITY", -1)
    monkeypatch.setattr(resource, "getrlimit", lambda what: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda what, new: limits.append(new))
    try:
        with data_segment.limited(100) as refuses:
            assert refuses is True
            assert limits[-1] == (within, hard)
            if breaks:
                raise KeyError
    except KeyError:
        assert breaks
    assert limits == [(50, hard), (within, hard), (50, hard)]


def test_elsewhere_than_on_linux_nothing_is_limited(monkeypatch):
    monkeypatch.setattr(data_segment.sys, "platform", "darwin")
    with data_segment.limited(1) as refuses:
        assert refuses is False
