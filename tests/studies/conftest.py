"""What the tests of studies share: their trials run in this process, but for those marked `processes`."""

from collections.abc import Iterator

import pytest

from tests.in_process import trials_in_process


@pytest.fixture(autouse=True, scope="module")
def _trials_in_process(request: pytest.FixtureRequest, data_sets: None) -> Iterator[None]:
    if request.node.get_closest_marker("processes"):
        yield
        return
    with trials_in_process():
        yield
