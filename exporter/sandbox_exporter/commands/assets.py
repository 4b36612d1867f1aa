"""`sandbox-exporter assets`: dashboards, rules and provisioning for those without the source."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from sandbox_exporter.errors import ConfigError, Problem

_PACKAGE = Path(__file__).parent.parent
_PATTERNS = ("dashboards/*.json", "provisioning/**/*")


def main(options: argparse.Namespace) -> int:
    """Writes the files; refuses, before it writes any, when one is there with other content."""
    target = Path(options.output)
    source = _source()
    files = {target / path.relative_to(source): path for path in _files(source)}
    changed = [
        Problem(str(path), "is there with other content; move it away, or choose another folder")
        for path, original in files.items()
        if path.exists() and path.read_bytes() != original.read_bytes()
    ]
    if changed:
        raise ConfigError(changed)
    for path, original in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(original.read_bytes())
        path.chmod(original.stat().st_mode & 0o777)
    print(f"{len(files)} files written below {target}", file=sys.stderr)
    return 0


def _source() -> Path:
    """Where the files are: in an installed package, or in the repository that it is run from."""
    installed = _PACKAGE / "assets"
    return installed if installed.is_dir() else _PACKAGE.parent.parent


def _files(source: Path) -> Iterator[Path]:
    for pattern in _PATTERNS:
        yield from sorted(path for path in source.glob(pattern) if path.is_file())
