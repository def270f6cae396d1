"""Fixtures with real servers, each for the whole session, since starting one takes seconds.

And how hard Hypothesis tries: ``HYPOTHESIS_PROFILE=deep`` looks a hundred times as long.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

import headgate
from tests.support.cpu_time import CpuTimes
from tests.support.gate import Gate, create_key, running_gate
from tests.support.mlflow_server import MlflowServer, running_mlflow
from tests.support.patience import patience

# No deadline: how long one example takes says more about the machine than about the code.
settings.register_profile("fast", max_examples=100, deadline=None)
settings.register_profile("deep", max_examples=10_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


def pytest_configure(config: pytest.Config) -> None:
    """Measure what each test costs, and let servers be stopped by SIGINT.

    They inherit what a shell does to commands in the background, which is to ignore it.
    """
    config.pluginmanager.register(CpuTimes())
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """With ``-n auto``: two for each processor, since every second test waits for something."""
    return min(2 * (os.cpu_count() or 1), 8)


@pytest.hookimpl(trylast=True)  # when the order has been shuffled
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest files start first; on a compiled build, leave out what it cannot be asked.

    The order matters where processes work side by side and each takes the next file: a long one
    that started last would keep them all waiting, and the small ones of ``unit`` fill gaps.
    """
    items.sort(key=_turn)
    if headgate.is_compiled():
        compiled = pytest.mark.skip(reason="nothing can be patched in compiled code")
        for item in items:
            if item.get_closest_marker("patches"):
                item.add_marker(compiled)


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before pytest-timeout looks at the marks
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Give a test more time where others keep the machine busy, as its own waits have."""
    given = item.get_closest_marker("timeout")
    usual = item.config.getoption("timeout") or item.config.getini("timeout")
    seconds = float(given.args[0] if given else usual)
    item.add_marker(pytest.mark.timeout(patience(seconds)), append=False)
    return (yield)


def _turn(item: pytest.Item) -> int:
    """0, 1 or 2: when the file of a test is started."""
    if item.get_closest_marker("first"):
        return 0
    return 2 if item.nodeid.startswith("tests/unit/") else 1


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A real MLflow server without anything in front of it."""
    with running_mlflow(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


@pytest.fixture(scope="session")
def gate_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the session's gate."""
    return tmp_path_factory.mktemp("gate")


@pytest.fixture(scope="session")
def key(gate_folder: Path) -> str:
    """A key that opens ``gate``."""
    return create_key(gate_folder / "data", "tests")


@pytest.fixture(scope="session")
def admin_key(gate_folder: Path) -> str:
    """A key with which everything may be done at ``gate``."""
    return create_key(gate_folder / "data", "admin of the tests", ("admin",))


@pytest.fixture(scope="session")
def gate(
    gate_folder: Path, key: str, admin_key: str, mlflow_server: MlflowServer
) -> Iterator[Gate]:
    """A real gate in front of ``mlflow_server``."""
    with running_gate(gate_folder, mlflow_server.url) as running:
        yield running
