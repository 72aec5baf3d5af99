import pytest

from tests.report import made_up
from underhood.report.document import Document
from underhood.report.facts import Facts


@pytest.fixture(scope="session")
def document() -> Document:
    return made_up.document()


@pytest.fixture(scope="session")
def facts() -> Facts:
    return made_up.facts()
