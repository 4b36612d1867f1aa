"""The secrets in `OTEL_EXPORTER_OTLP_*HEADERS`, which libraries quote in their messages."""

from __future__ import annotations

import os
from urllib.parse import unquote

from sandbox_exporter.secret import Secret

_VARIABLES = tuple(f"OTEL_EXPORTER_OTLP_{signal}HEADERS" for signal in ("", "METRICS_", "TRACES_"))


def mask_headers(text: str) -> str:
    """The text with `***` for each value of those headers."""
    for variable in _VARIABLES:
        for pair in os.environ.get(variable, "").split(","):
            value = unquote(pair.partition("=")[2]).strip()
            # Messages show values as Python writes them.
            for form in {value, repr(value)[1:-1]}:
                text = Secret(form).mask(text)
    return text
