"""The locks hold what runs and no more, and the bill of materials says what they hold."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from scripts.check_lock import Lock
from scripts.sbom import bill_of_materials

ROOT = Path(__file__).parents[2]
RUN, OTLP = (Lock.read(ROOT / name) for name in ("requirements.lock", "requirements-otlp.lock"))
BUILD = Lock.read(ROOT / "requirements-build.lock")


@pytest.fixture
def document() -> dict[str, Any]:
    """The bill of materials, parsed."""
    parsed: dict[str, Any] = json.loads(bill_of_materials(RUN, OTLP))
    return parsed


@pytest.mark.parametrize("lock", [RUN, OTLP], ids=lambda lock: lock.path.name)
def test_nothing_that_builds_is_beside_what_runs(lock: Lock) -> None:
    """The package's build tools have a lock of their own."""
    assert "hatchling" in BUILD.pins
    assert not lock.pins.keys() & BUILD.pins.keys()


def test_make_sbom(tmp_path: Path) -> None:
    """The target runs the command below, which writes the bill into the file that is named."""
    rules = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(
        r"^sbom:.*\n\t.*\n\t\S+/python -m scripts.sbom dist/sbom.cdx.json$", rules, re.MULTILINE
    )
    target = tmp_path / "dist" / "sbom.cdx.json"
    subprocess.run([sys.executable, "-m", "scripts.sbom", str(target)], cwd=ROOT, check=True)
    assert target.read_text(encoding="utf-8") == bill_of_materials(RUN, OTLP)


def test_it_is_valid() -> None:
    """By the format's own schema, which refuses keys that it does not know."""
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    text = bill_of_materials(RUN, OTLP)
    assert validator.validate_str(text) is None
    assert validator.validate_str(text.replace('"purl"', '"purls"')) is not None


def test_it_holds_what_the_lock_pins(document: dict[str, Any]) -> None:
    """Every package, version and hash, read from the lock's text, and nothing else."""
    text = (ROOT / "requirements-otlp.lock").read_text(encoding="utf-8")
    pinned = {
        f"pkg:pypi/{name}@{version}": sorted(re.findall(r"sha256:(\w+)", hashes))
        for name, version, hashes in re.findall(
            r"^([\w.-]+)==([^\s;]+)[^\n]*\n((?: +--hash=.*\n)+)", text, re.MULTILINE
        )
    }
    assert len(pinned) == sum(line[0] not in " #" for line in text.splitlines())
    assert pinned == {
        part["purl"]: sorted(found["content"] for found in part["hashes"])
        for part in document["components"]
    }
    for part in document["components"]:
        assert part["purl"] == f"pkg:pypi/{part['name']}@{part['version']}"


def test_it_tells_the_extra_from_the_rest(document: dict[str, Any]) -> None:
    """A package that only `otlp` needs is optional."""
    required = {part["name"] for part in document["components"] if part["scope"] == "required"}
    optional = {part["name"] for part in document["components"] if part["scope"] == "optional"}
    assert required == RUN.pins.keys()
    assert optional == OTLP.pins.keys() - RUN.pins.keys()


def test_every_package_is_reached_from_the_exporter(document: dict[str, Any]) -> None:
    """The graph of dependencies is whole."""
    edges = {entry["ref"]: entry.get("dependsOn", []) for entry in document["dependencies"]}
    assert "pkg:pypi/httpcore" in str(edges[f"pkg:pypi/httpx@{RUN.pins['httpx']}"])
    reached, waiting = set[str](), ["sandbox-usage-exporter"]
    while waiting:
        ref = waiting.pop()
        if ref not in reached:
            reached.add(ref)
            waiting += edges[ref]
    assert reached == edges.keys()


def test_it_is_the_same_each_time() -> None:
    """No moment and no random number is in it."""
    assert bill_of_materials(RUN, OTLP) == bill_of_materials(RUN, OTLP)
