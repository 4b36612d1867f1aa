from __future__ import annotations

import gzip
import subprocess
from collections.abc import Callable

from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as read_text

from sandbox_exporter.catalogue import catalogue
from sandbox_exporter.exposition.page import Page
from sandbox_exporter.snapshot import Snapshot


def test_promtool_finds_nothing_to_complain_of(
    published: tuple[Snapshot, Page], find_program: Callable[[str], str]
) -> None:
    """The whole page, the exporter's own metrics included."""
    promtool = find_program("promtool")
    page = published[1].text.plain
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=page, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_a_strict_reader_takes_the_openmetrics(published: tuple[Snapshot, Page]) -> None:
    """Types, units, suffixes, order and the end mark are as the standard wants them."""
    page = published[1].openmetrics.plain.decode()
    families = list(text_string_to_metric_families(page))  # type: ignore[no-untyped-call]
    assert {family.name for family in families} >= {"sandbox_account_cost_usd", "sandbox_up"}


def test_names_types_and_labels_are_those_of_the_catalogue(
    published: tuple[Snapshot, Page],
) -> None:
    """Nothing of the exporter is served that the documentation does not list."""
    listed = {metric.name: metric for metric in catalogue()}
    for family in read_text(published[1].text.plain.decode()):
        if family.name.startswith(("process_", "python_")):
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        metric = listed[name]
        assert (metric.type, metric.help) == (family.type, family.documentation)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels)


def test_compressed_bodies_hold_the_plain_ones(published: tuple[Snapshot, Page]) -> None:
    """Both formats."""
    for body in (published[1].text, published[1].openmetrics):
        assert gzip.decompress(body.gzip) == body.plain


def test_no_secret_is_served(published: tuple[Snapshot, Page]) -> None:
    """Neither the key nor where it is kept."""
    for body in (published[1].text, published[1].openmetrics):
        assert b"made-up-key" not in body.plain
        assert b"GOLDEN_KEY" not in body.plain
