"""What holds for every test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator

import pytest
from httpx._config import DEFAULT_TIMEOUT_CONFIG
from hypothesis import settings

# How long an example takes says more about the machine's other work than about the code.
# CI judges a change by the same examples each time; everywhere else each run looks for new ones.
settings.register_profile("patient", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("patient")
# Likewise how long a server of the tests takes to answer: httpx would give up after 5 seconds.
DEFAULT_TIMEOUT_CONFIG.connect = DEFAULT_TIMEOUT_CONFIG.read = 60.0
DEFAULT_TIMEOUT_CONFIG.write = DEFAULT_TIMEOUT_CONFIG.pool = 60.0


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two workers a core: tests with real servers wait for most of their time."""
    return 2 * (os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests first, so that no worker begins one when the others have nothing left to do."""
    items.sort(key=lambda item: (not item.get_closest_marker("slow"), "e2e" not in item.path.parts))


@pytest.fixture(scope="session")
def find_program() -> Callable[[str], str]:
    """Finds a real server or tool by name; the test that asks is skipped where there is none."""

    def find(name: str) -> str:
        # Debian keeps nginx where an ordinary user's PATH does not look.
        path = shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin")
        if path is None:
            pytest.skip(f"{name} is not installed (scripts/real-servers installs it)")
        return path

    return find


def _fail_skipped_in_ci(report: pytest.TestReport | pytest.CollectReport) -> None:
    """What was not run proves nothing, so CI, where everything can be installed, fails for it."""
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        report.longrepr = f"{reason} (CI allows no skipped test)"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Judges how a test went."""
    report = yield
    _fail_skipped_in_ci(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Judges how reading a test module went."""
    report = yield
    _fail_skipped_in_ci(report)
    return report
