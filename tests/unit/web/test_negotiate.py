from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox_exporter.web.negotiate import Format, choose

PROMETHEUS_2_42 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_TEXT_ONLY = "text/plain;version=0.0.4;q=1,*/*;q=0.1"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", Format.TEXT),
        ("*/*", Format.TEXT),
        (BROWSER, Format.TEXT),
        (PROMETHEUS_TEXT_ONLY, Format.TEXT),
        (PROMETHEUS_2_42, Format.OPENMETRICS),
        (PROMETHEUS_3, Format.OPENMETRICS),
        ("application/openmetrics-text", Format.OPENMETRICS),
        ("Application/OpenMetrics-Text; Version=1.0.0", Format.OPENMETRICS),
        ('application/openmetrics-text; version="1.0.0"', Format.OPENMETRICS),
        ("application/openmetrics-text, */*", Format.OPENMETRICS),
        ("application/*, text/plain;q=0.5", Format.OPENMETRICS),
        ("application/openmetrics-text;q=0.5, text/plain;q=0.6", Format.TEXT),
        ("application/openmetrics-text, text/plain", Format.TEXT),
        ("application/openmetrics-text;q=0.9, */*", Format.TEXT),
        ("application/openmetrics-text;q=0, */*;q=0.1", Format.TEXT),
        ("application/openmetrics-text;version=0.0.1", Format.TEXT),
        ("application/openmetrics-text;q=2", Format.TEXT),
        ("application/openmetrics-text;q=nan", Format.TEXT),
        ("application/json", Format.TEXT),
        (";;,,=;q", Format.TEXT),
    ],
)
def test_format(accept: str, wanted: Format) -> None:
    """OpenMetrics is served to those who prefer it, text to everybody else."""
    assert choose(accept.encode(), b"")[0] is wanted


@pytest.mark.parametrize(
    ("accept_encoding", "gzip"),
    [
        ("", False),
        ("gzip", True),
        ("GZip", True),
        ("deflate, gzip;q=0.5", True),
        ("gzip, deflate, br, zstd", True),
        ("x-gzip", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000, *", False),
        ("*;q=0", False),
        ("identity", False),
        ("identity, gzip;q=0.5", False),
        ("identity;q=0.5, gzip", True),
        ("br", False),
        ("gzip;q=maybe", False),
    ],
)
def test_gzip(accept_encoding: str, gzip: bool) -> None:
    """Answers are compressed only for those who take gzip at least as gladly as plain bytes."""
    assert choose(b"", accept_encoding.encode())[1] is gzip


@given(accept=st.binary(max_size=200), accept_encoding=st.binary(max_size=200))
def test_any_bytes_are_answered(accept: bytes, accept_encoding: bytes) -> None:
    """No header, however malformed, is an error."""
    assert choose(accept, accept_encoding)[0] in Format
