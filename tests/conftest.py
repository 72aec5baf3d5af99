"""What all tests share: folders of their own, the slow ones apart, and a floor under how many ran."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no fault of the code: no test fails for being slow.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# What is printed takes its width and colours from the terminal, and a command's console keeps the first that it saw:
# all tests have the same one.
os.environ |= {"COLUMNS": "100", "TERM": "xterm"}
for name in ("FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "LINES"):
    os.environ.pop(name, None)

# A whole run that passes fewer tests than this has lost some on the way. Raise it as tests are added.
FLOOR = 13_500


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="run the slow tests too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--all") or "slow" in config.option.markexpr:
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    items[:] = [item for item in items if item not in slow]
    config.hook.pytest_deselected(items=slow)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Nothing passes by not running: a whole run counts what passed."""
    config = session.config
    whole = config.args_source is config.ArgsSource.TESTPATHS and not (config.option.keyword or config.option.markexpr)
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if whole and reporter and not hasattr(config, "workerinput") and session.exitstatus == 0:
        passed = len(reporter.stats.get("passed", []))
        if passed < FLOOR and not config.option.collectonly:
            reporter.write_line(f"only {passed} tests passed; a whole run has at least {FLOOR}", red=True)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    yield


@pytest.fixture(autouse=True, scope="session")
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the user's runs and caches, in this process or in one that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RUNS", "CACHE"):
            patch.setenv(f"UNDERHOOD_{name}", str(tmp_path_factory.mktemp(name.lower())))
        yield


@pytest.fixture(autouse=True)
def _threads() -> None:
    """One thread for what a test computes, unless it says otherwise.

    The tests' arrays are small, and other tests run on the other cores: threads that wait for each other took half of
    all processor time. Numba's pool, when it starts, gives PyTorch as many threads as it has itself, so both are set
    again before each test.
    """
    if (numba := sys.modules.get("numba")) is not None:
        numba.set_num_threads(1)
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(1)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that runs are written to."""
    folder = tmp_path / "runs"
    monkeypatch.setenv("UNDERHOOD_RUNS", str(folder))
    return folder


@pytest.fixture
def no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that data sets are looked for in."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("UNDERHOOD_DATA", str(folder))
    return folder


@pytest.fixture(scope="session")
def _stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests import stand_ins

    folder = tmp_path_factory.mktemp("sets")
    stand_ins.write(folder)
    return folder


@pytest.fixture(scope="module")
def data_sets(request: pytest.FixtureRequest) -> Iterator[None]:
    """Data sets for what plans and trains on them: the real ones, where UNDERHOOD_DATA names them."""
    with pytest.MonkeyPatch.context() as patch:
        if "UNDERHOOD_DATA" not in os.environ:
            patch.setenv("UNDERHOOD_DATA", str(request.getfixturevalue("_stand_ins")))
        yield


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of an installed Chromium; without one the test is skipped, in CI it fails."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    if os.environ.get("CI"):
        pytest.fail("no Chromium: .ci/run installs it")
    pytest.skip("no Chromium on this machine")
