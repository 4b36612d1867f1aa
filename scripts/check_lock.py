"""Tells, without the network, whether the lock files still agree with pyproject.toml."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent


@dataclass
class Lock:
    """What one lock file says."""

    path: Path
    pins: dict[str, str] = field(default_factory=dict)
    """Package to version."""
    hashes: dict[str, list[str]] = field(default_factory=dict)
    """Package to the SHA-256 of each of its archives."""
    wanted_by: dict[str, set[str]] = field(default_factory=dict)
    """Package to the packages that depend on it."""
    asked_for: set[str] = field(default_factory=set)
    """Packages that the lock says pyproject.toml names itself."""

    @classmethod
    def read(cls, path: Path) -> Lock:
        """Parses a lock file as `scripts/lock` writes it."""
        lock = cls(path)
        for block in re.split(r"\n(?=\S)", path.read_text(encoding="utf-8")):
            if (pin := re.match(r"([\w.-]+)==([^\s;]+)", block)) is None:
                continue
            name, version = pin.groups()
            lock.pins[name] = version
            lock.hashes[name] = re.findall(r"--hash=sha256:([0-9a-f]{64})", block)
            lock.wanted_by[name] = set(re.findall(r"# +(?:via )?([\w.-]+)$", block, re.MULTILINE))
            if "pyproject.toml" in block:
                lock.asked_for.add(name)
        return lock

    def mistakes(self, wanted: list[str]) -> Iterator[str]:
        """Compares the lock with the requirements of pyproject.toml that it is made for."""
        names: set[str] = set()
        for requirement in map(Requirement, wanted):
            name = canonicalize_name(requirement.name)
            names.add(name)
            version = self.pins.get(name)
            if version is None:
                yield f"{name} is missing"
            elif not requirement.specifier.contains(version):
                yield f"{name} is pinned at {version}, pyproject.toml wants {requirement}"
        for leftover in sorted(self.asked_for - names):
            yield f"{leftover} is no longer in pyproject.toml"
        for unhashed in (package for package, hashes in self.hashes.items() if not hashes):
            yield f"{unhashed} has no hash"
        if "://" in self.path.read_text(encoding="utf-8"):
            yield "an address is in it; names, versions and hashes are enough"


def main() -> int:
    """Prints every disagreement; 1 if there is one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    run = project["project"]["dependencies"]
    otlp = run + project["project"]["optional-dependencies"]["otlp"]
    dev = otlp + project["dependency-groups"]["dev"]
    build = Lock.read(ROOT / "requirements-build.lock")
    found = [
        f"{build.path.name}: {mistake}"
        for mistake in build.mistakes(project["build-system"]["requires"])
    ]
    smaller: dict[str, str] = {}
    for name, wanted in (
        ("requirements.lock", run),
        ("requirements-otlp.lock", otlp),
        ("requirements-dev.lock", dev),
    ):
        lock = Lock.read(ROOT / name)
        found += [f"{name}: {mistake}" for mistake in lock.mistakes(wanted)]
        found += [
            f"{name}: {package} differs from the lock with less in it"
            for package, version in smaller.items()
            if lock.pins.get(package) != version
        ]
        smaller = lock.pins
    for mistake in found:
        print(f"{mistake}; run `make lock`", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
