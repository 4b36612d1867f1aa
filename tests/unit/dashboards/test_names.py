from __future__ import annotations

import re
from typing import Any

import pytest

from dashboards.names import FOREIGN, metric, source
from sandbox_exporter.catalogue import Type, catalogue


def test_unknown_name_is_refused() -> None:
    """A metric that was renamed breaks the build of the dashboards, not the reader's panel."""
    with pytest.raises(LookupError, match="sandbox_account_vcpu_hours"):
        metric("sandbox_account_vcpu_hours")
    with pytest.raises(LookupError, match="sandbox_account_vcpu_hours"):
        source("sandbox_account_vcpu_hours")


def test_names_in_queries_are_in_the_catalogue(targets: list[dict[str, Any]]) -> None:
    """No query asks for a metric that the exporter does not have."""
    known = {entry.name for entry in catalogue()} | FOREIGN
    known |= {f"{entry.name}_bucket" for entry in catalogue() if entry.type is Type.HISTOGRAM}
    words = r"\b(?:sandbox|process)_\w+|\bALERTS\w*"
    used = {name for target in targets for name in re.findall(words, target["expr"])}
    assert used
    assert used <= known
