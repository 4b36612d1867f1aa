"""What the exporter serves, read fast for each look and strictly now and then."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

_VALUE = r'(?:[^"\\\n]|\\["\\n])*'
_PAIR = re.compile(rf'([a-zA-Z_][a-zA-Z0-9_]*)="({_VALUE})"')
_PAIRS = rf'(?:[a-zA-Z_][a-zA-Z0-9_]*="{_VALUE}",?)*'
_SAMPLE = re.compile(rf"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{{({_PAIRS})\}})? (\S+)")
_COMMENT = re.compile(r"# (?:HELP|TYPE|UNIT) [a-zA-Z_:][a-zA-Z0-9_:]* ?.*")
_ESCAPED = re.compile(r'\\(["\\n])')

Labels = tuple[tuple[str, str], ...]


@dataclass
class View:
    """What a page says of one account."""

    values: dict[tuple[str, str], float] = field(default_factory=dict)
    """Usage by metric, and template's id or month where there is one."""
    up: dict[str, float] = field(default_factory=dict)
    """Health by endpoint."""
    errors: dict[tuple[str, str], float] = field(default_factory=dict)
    """Failures by endpoint and reason."""
    account_up: float | None = None
    corrections: float = 0.0

    def template_ids(self) -> set[str]:
        """The templates that have any series."""
        return {label for name, label in self.values if name.startswith("sandbox_template_")}


@dataclass
class Page:
    """A page, sample by sample and account by account."""

    samples: dict[str, float] = field(default_factory=dict)
    """Values by series, as written."""
    views: dict[str, View] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    """Lines that are no valid exposition."""


def read(body: bytes) -> Page:
    """A page in the text format 0.0.4."""
    page = Page()
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        page.broken.append(str(error))
        return page
    for line in text.split("\n"):
        if not line or line.startswith("#"):
            if line and not _COMMENT.fullmatch(line):
                page.broken.append(line[:200])
            continue
        found = _SAMPLE.fullmatch(line)
        try:
            value = float(found[3]) if found else None
        except ValueError:
            value = None
        if found is None or value is None:
            page.broken.append(line[:200])
            continue
        series = line.rsplit(" ", 1)[0]
        if series in page.samples:
            page.broken.append(f"twice: {series[:200]}")
        page.samples[series] = value
        _sort(page.views, found[1], dict(_PAIR.findall(found[2] or "")), value)
    return page


def _sort(views: dict[str, View], name: str, labels: dict[str, str], value: float) -> None:
    account = labels.get("account")
    if account is None:
        return
    view = views.setdefault(account, View())
    endpoint = labels.get("endpoint", "")
    if name.startswith(("sandbox_account_", "sandbox_template_")):
        label = labels.get("template_id") or labels.get("month", "")
        view.values[name, _ESCAPED.sub(_unescape, label)] = value
    elif name == "sandbox_endpoint_up":
        view.up[endpoint] = value
    elif name == "sandbox_exporter_api_errors_total":
        view.errors[endpoint, labels.get("reason", "")] = value
    elif name == "sandbox_up":
        view.account_up = value
    elif name == "sandbox_exporter_corrections_total":
        view.corrections = value


def _unescape(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]


def strict_faults(text: bytes, openmetrics: bytes) -> Iterator[str]:
    """What the field's own parsers have to say against a page in both formats."""
    counts: list[int] = []
    for name, body, parse in (
        ("text", text, read_text),
        ("OpenMetrics", openmetrics, read_openmetrics),
    ):
        try:
            families = parse(body.decode())
            counts.append(sum(len(family.samples) for family in families))
        except (ValueError, KeyError, IndexError) as error:
            yield f"{name}: {error}"
    if not openmetrics.endswith(b"# EOF\n"):
        yield "OpenMetrics: no end mark"


def promtool_faults(promtool: str, text: bytes) -> str:
    """What `promtool check metrics` says; empty when it has nothing to say."""
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, check=False
    )
    said = (checked.stdout + checked.stderr).decode(errors="replace")
    return said if said or checked.returncode else ""
