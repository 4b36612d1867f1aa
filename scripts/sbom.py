"""Writes what the lock files pin for running as CycloneDX 1.6; the same locks, the same bytes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from sandbox_exporter import __version__
from scripts.check_lock import ROOT, Lock

PROJECT = "sandbox-usage-exporter"


def bill_of_materials(run: Lock, otlp: Lock) -> str:
    """The exporter and every package of the locks, with the hashes of all archives.

    What only the extra `otlp` brings has the scope `optional`.
    """
    exporter = Component(
        name=PROJECT,
        version=__version__,
        type=ComponentType.APPLICATION,
        bom_ref=PROJECT,
        licenses=[DisjunctiveLicense(id="Apache-2.0")],
    )
    packages = {
        name: _package(
            name,
            version,
            ComponentScope.REQUIRED if name in run.pins else ComponentScope.OPTIONAL,
            otlp.hashes[name],
        )
        for name, version in otlp.pins.items()
    }
    bom = Bom(components=packages.values())
    bom.metadata.component = exporter
    bom.register_dependency(exporter, [packages[name] for name in otlp.asked_for])
    for name, package in packages.items():
        needed = [packages[other] for other in packages if name in otlp.wanted_by[other]]
        bom.register_dependency(package, needed)
    document = json.loads(
        make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string()
    )
    # The moment and a random number would differ each time; the format does not ask for them.
    del document["metadata"]["timestamp"], document["serialNumber"]
    return json.dumps(document, indent=2) + "\n"


def _package(name: str, version: str, scope: ComponentScope, digests: list[str]) -> Component:
    url = PackageURL("pypi", name=name, version=version)
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        bom_ref=url.to_string(),
        purl=url,
        scope=scope,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in digests],
    )


def main() -> None:
    """Writes the file that is named."""
    (target,) = map(Path, sys.argv[1:])
    target.parent.mkdir(exist_ok=True)
    locks = (Lock.read(ROOT / name) for name in ("requirements.lock", "requirements-otlp.lock"))
    target.write_text(bill_of_materials(*locks), encoding="utf-8")


if __name__ == "__main__":
    main()
