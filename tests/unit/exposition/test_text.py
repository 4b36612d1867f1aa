from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from sandbox_exporter.exposition.page import Page
from sandbox_exporter.exposition.text import CHUNK, chunks, families, label_text
from sandbox_exporter.model import Field, Template
from sandbox_exporter.snapshot import AccountSnapshot, Snapshot, TemplateUsage, Usage
from tests.rendering import whole

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def test_canned_answers_give_the_golden_text(
    published: tuple[Snapshot, Page], fixtures: Path
) -> None:
    """Text 0.0.4, byte for byte."""
    text, _ = whole(published[0])
    assert text.encode() == (fixtures / "metrics.txt").read_bytes()


def test_canned_answers_give_the_golden_openmetrics(
    published: tuple[Snapshot, Page], fixtures: Path
) -> None:
    """OpenMetrics 1.0, byte for byte."""
    _, openmetrics = whole(published[0])
    golden = (fixtures / "metrics.openmetrics.txt").read_bytes()
    assert openmetrics.encode() + b"# EOF\n" == golden


@given(TEXTS, TEXTS)
def test_label_values_survive(one: str, two: str) -> None:
    """Whatever a vendor calls things, a reader of either format gets it back."""
    line = f"m{{{label_text(('one', 'two'), (one, two))}}} 1.0\n"
    header = "# HELP m Help.\n# TYPE m gauge\n"
    for read, text in ((read_text, header + line), (read_openmetrics, header + line + "# EOF\n")):
        (family,) = read(text)
        (sample,) = family.samples
        assert sample.labels == {"one": one, "two": two}


def template(number: int) -> TemplateUsage:
    """A template with one total."""
    total = {Field.COST_USD: float(number)}
    return TemplateUsage(Template(f"t{number}"), Usage(total, total))


def test_many_samples_come_in_chunks_of_one_family() -> None:
    """Headers stand once, and no chunk is long."""
    count = CHUNK + 1
    account = AccountSnapshot(
        "seacloud", "a", created=1, templates=tuple(map(template, range(count)))
    )
    made = [c for metric, lines in families([account]) for c in chunks(metric, lines)]
    assert max(chunk.samples for chunk in made) == CHUNK
    assert sum(chunk.samples for chunk in made) == 3 * count + 3
    text, openmetrics = whole(Snapshot((account,)))
    assert text.count("# TYPE sandbox_template_cost_usd_total counter") == 1
    assert openmetrics.count("sandbox_template_cost_usd_created{") == count


def test_what_is_missing_has_no_series() -> None:
    """An account that was not tried has no usage, no health, and no family without samples."""
    text, openmetrics = whole(Snapshot((AccountSnapshot("seacloud", "a"),)))
    assert text.splitlines()[2:] == [
        'sandbox_exporter_templates{provider="seacloud",account="a",state="known"} 0.0',
        'sandbox_exporter_templates{provider="seacloud",account="a",state="dropped"} 0.0',
        'sandbox_exporter_templates{provider="seacloud",account="a",state="invalid"} 0.0',
    ]
    assert openmetrics == text
    assert whole(Snapshot()) == ("", "")


def test_lifetime_totals_have_no_start(published: tuple[Snapshot, Page]) -> None:
    """When an account began is not known; a month's counters began with the month."""
    _, openmetrics = whole(published[0])
    assert "sandbox_account_sessions_created" not in openmetrics
    assert "sandbox_account_cost_usd_created" in openmetrics


def test_both_formats_hold_the_same_samples(published: tuple[Snapshot, Page]) -> None:
    """Apart from the `_created` lines, which only one of them has."""
    text, openmetrics = whole(published[0])
    lines: Callable[[str], list[str]] = lambda page: [  # noqa: E731
        line for line in page.splitlines() if line[0] != "#" and "_created{" not in line
    ]
    assert lines(text) == lines(openmetrics)
