"""`scripts/setup` with old and new pips, against an index that has more than the lock pins."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.markers import Marker

from tests.e2e.package_index import PackageIndex, Wheel, make_wheel, package_index

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PINNED = re.compile(
    r"^(pip==[\d.]+)(?: ; ([^\\]*))? \\\n((?: +--hash=\S+(?: \\\n|\n))+)", re.MULTILINE
)
PIPS = {
    pin: hashes.replace("\\\n", "")
    for pin, marker, hashes in PINNED.findall((ROOT / "tests/fixtures/pips.txt").read_text())
    if not marker or Marker(marker).evaluate()
}
NEWEST = list(PIPS)[-1]

BACKEND = """
from pathlib import Path

def build_editable(folder, config_settings=None, metadata_directory=None):
    Path(folder, {file!r}).write_bytes({data!r})
    return {file!r}
"""
PROJECT = make_wheel("project", "0", "Requires-Dist: report")
COVER = make_wheel(
    "cover", "1.0", "Provides-Extra: toml", 'Requires-Dist: tomlish; extra == "toml"'
)
REPORT = make_wheel("report", "1.0", "Requires-Dist: cover[toml]>=1.0")
TOMLISH = make_wheel("tomlish", "1.0")
BUILDER = make_wheel("builder", "1.0", source=BACKEND.format(file=PROJECT.file, data=PROJECT.data))
LOCKED = (COVER, REPORT, TOMLISH)
PUBLISHED_SINCE = (
    make_wheel("newcomer", "1.0"),
    *(make_wheel(wheel.name, "2.0", "Requires-Dist: newcomer") for wheel in (BUILDER, *LOCKED)),
)


class Checkout:
    """A project with the real `scripts/setup`, whose packages come from an index of the test."""

    def __init__(self, folder: Path, index: PackageIndex) -> None:
        self.folder = folder
        self.index = index
        shutil.copytree(ROOT / "scripts", folder / "scripts")
        (folder / "pyproject.toml").write_text(
            '[build-system]\nrequires = ["builder"]\nbuild-backend = "builder"\n'
            '[project]\nname = "project"\nversion = "0"\n'
        )

    def lock(self, *wheels: Wheel) -> None:
        """Writes both lock files."""
        (self.folder / "requirements-build.lock").write_text(BUILDER.pin)
        for name in ("requirements.lock", "requirements-dev.lock"):
            (self.folder / name).write_text("".join(wheel.pin for wheel in wheels))

    def setup(self, which: str = "run") -> subprocess.CompletedProcess[str]:
        """Runs the script; nothing of the user's settings for pip counts."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
        environment |= {
            "PIP_INDEX_URL": self.index.url,
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_CACHE_DIR": "1",
            "PYTHON": sys.executable,
            "no_proxy": "*",
        }
        return subprocess.run(
            [self.folder / "scripts/setup", which],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def installed(self) -> dict[str, str]:
        """Name and version of what is in `.venv`, pip aside."""
        (packages,) = self.folder.glob(".venv/lib/python*/site-packages")
        found = {package.name: package.version for package in distributions(path=[str(packages)])}
        del found["pip"]
        return found


@pytest.fixture
def index() -> Iterator[PackageIndex]:
    """What the lock pins, and newer versions, which want a package that nobody pinned."""
    with package_index() as running:
        running.wheels = [BUILDER, *LOCKED, *PUBLISHED_SINCE]
        yield running


@pytest.fixture
def checkout(index: PackageIndex, tmp_path: Path) -> Callable[[str], Checkout]:
    """Makes a checkout whose `.venv` has a given pip."""

    def make(pip: str) -> Checkout:
        folder = tmp_path / "checkout"
        made = Checkout(folder, index)
        made.lock(*LOCKED)
        (tmp_path / "pip.txt").write_text(f"{pip} {PIPS[pip]}\n")
        subprocess.run(
            [sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True
        )
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        fetch += [
            "--no-deps",
            "--require-hashes",
            "--only-binary",
            ":all:",
            "--dest",
            str(tmp_path),
        ]
        subprocess.run(
            [*fetch, "--dest", tmp_path, "--requirement", tmp_path / "pip.txt"], check=True
        )
        (wheel,) = tmp_path.glob("pip-*.whl")
        (packages,) = folder.glob(".venv/lib/python*/site-packages")
        shutil.unpack_archive(wheel, packages, "zip")
        return made

    return make


def versions(*wheels: Wheel) -> dict[str, str]:
    """Name and version of each."""
    return {wheel.name: wheel.version for wheel in wheels}


@pytest.mark.parametrize("pip", PIPS)
def test_any_pip_installs_what_the_lock_pins(pip: str, checkout: Callable[[str], Checkout]) -> None:
    """Old pips and new ones take these archives, and none that has been published since.

    What builds the project is not among what stays.
    """
    made = checkout(pip)
    done = made.setup()
    assert done.returncode == 0, done.stdout + done.stderr
    assert made.installed() == versions(PROJECT, *LOCKED)
    assert made.index.downloaded == {wheel.file for wheel in (BUILDER, *LOCKED)}
    made.index.asked.clear()
    assert made.setup().returncode == 0
    assert made.index.asked == []


def test_a_lock_that_lacks_something_is_refused(checkout: Callable[[str], Checkout]) -> None:
    """What is needed and not pinned is named, not fetched; nothing counts as set up."""
    made = checkout(NEWEST)
    made.lock(REPORT)
    for _ in range(2):
        done = made.setup()
        assert done.returncode == 1
        assert "report 1.0 requires cover, which is not installed" in done.stderr
        assert "requirements.lock lacks something: run make lock" in done.stderr
    assert made.index.downloaded == {BUILDER.file, REPORT.file}


def test_an_archive_with_other_bytes_is_refused(checkout: Callable[[str], Checkout]) -> None:
    """An index that has another archive under the name is not trusted."""
    made = checkout(NEWEST)
    changed = make_wheel("tomlish", "1.0", source="print('not the one that was tested')")
    made.index.wheels = [BUILDER, COVER, REPORT, changed]
    done = made.setup()
    assert done.returncode != 0
    assert "HASH" in done.stderr.upper()
    assert "tomlish" not in made.installed()


def test_what_the_lock_no_longer_pins_goes(checkout: Callable[[str], Checkout]) -> None:
    """What an earlier lock left behind neither stays nor counts as installed."""
    made = checkout(NEWEST)
    extra, other = make_wheel("Left_Over", "1.0"), make_wheel("cover", "0.9")
    made.index.wheels += [extra, other, make_wheel("report", "0.9", "Requires-Dist: cover")]
    report = made.index.wheels[-1]
    made.lock(other, report, extra._replace(name="left-over"))
    assert made.setup("dev").returncode == 0
    assert made.installed().keys() >= {"Left_Over"}
    made.lock(*LOCKED)
    done = made.setup("dev")
    assert (done.returncode, done.stderr) == (0, "")
    assert made.installed() == versions(PROJECT, *LOCKED)
