from __future__ import annotations

import pytest

from sandbox_exporter.catalogue import Metric, Type, catalogue
from sandbox_exporter.otlp.instruments import instrument, unit_in
from tests.otlp_receiver import prometheus_name


@pytest.mark.parametrize("metric", catalogue(), ids=lambda metric: metric.name)
def test_the_translation_yields_the_name_in_the_catalogue(metric: Metric) -> None:
    """Dashboards and rules find every family under the name that they know."""
    made = instrument(metric)

    name = prometheus_name(
        made.name,
        made.unit,
        monotonic=made.type is Type.COUNTER,
        gauge=made.type is Type.GAUGE,
    )

    assert name == metric.name


@pytest.mark.parametrize(
    ("name", "unit", "translated"),
    [
        ("sandbox_account_vcpu", "s", "sandbox_account_vcpu_seconds_total"),
        (
            "sandbox_account_memory_byte_seconds",
            "{By.s}",
            "sandbox_account_memory_byte_seconds_total",
        ),
        ("sandbox_account_cost_usd", "{USD}", "sandbox_account_cost_usd_total"),
        ("sandbox_account_data_transfer", "By", "sandbox_account_data_transfer_bytes_total"),
    ],
)
def test_units_are_ucum_and_no_part_of_the_name(name: str, unit: str, translated: str) -> None:
    """A backend that knows units gets them; what UCUM has no unit for is an annotation."""
    metric = next(metric for metric in catalogue() if metric.name == translated)

    assert (instrument(metric).name, instrument(metric).unit) == (name, unit)


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("process_cpu_seconds_total", "seconds"),
        ("process_virtual_memory_bytes", "bytes"),
        ("process_open_fds", ""),
        ("python_gc_collections_total", ""),
    ],
)
def test_foreign_names_tell_their_unit(name: str, unit: str) -> None:
    """Metrics that a library names get a unit as well."""
    assert unit_in(name) == unit
