from __future__ import annotations

from pathlib import Path

import pytest

from sandbox_exporter.errors import ConfigError
from sandbox_exporter.otlp.settings import Signal, read

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


def test_nothing_is_sent_without_an_endpoint() -> None:
    """Other variables, that a whole cluster may have, turn nothing on."""
    settings = read({"OTEL_SERVICE_NAME": "x", "OTEL_EXPORTER_OTLP_ENDPOINT": ""})

    assert (settings.metrics, settings.traces) == (None, None)


@pytest.mark.parametrize(
    "name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"]
)
def test_an_endpoint_turns_metrics_on_and_traces_not(name: str) -> None:
    """Traces are off until a traces endpoint is named."""
    settings = read({name: "http://collector:4318"})

    assert settings.metrics == Signal(
        "metrics", "http/protobuf", "none", 10.0, "http://collector:4318"
    )
    assert settings.traces is None
    assert (settings.interval, settings.export_timeout) == (60.0, 30.0)


def test_the_configuration_turns_metrics_on() -> None:
    """`otlp: true` needs no variable: there is a standard endpoint."""
    assert read({}, wanted=True).metrics is not None


def test_a_traces_endpoint_turns_only_traces_on() -> None:
    """Spans can go to a place of their own."""
    settings = read({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://tempo:4318/v1/traces"})

    assert settings.metrics is None
    assert settings.traces is not None


@pytest.mark.parametrize("off", [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_METRICS_EXPORTER": "none"}])
def test_standard_variables_turn_metrics_off(off: dict[str, str]) -> None:
    """An endpoint for everything in a cluster can be overruled for the exporter."""
    assert read(ENDPOINT | off).metrics is None


def test_a_signals_own_variables_win() -> None:
    """Metrics can go by gRPC where everything else does not, with other bounds."""
    settings = read(
        ENDPOINT
        | {
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "7000",
            "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT": "2500",
            "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION": "gzip",
            "OTEL_METRIC_EXPORT_INTERVAL": "15000",
            "OTEL_METRIC_EXPORT_TIMEOUT": "5000",
        }
    )

    assert settings.metrics == Signal("metrics", "grpc", "gzip", 2.5, "http://collector:4318")
    assert (settings.interval, settings.export_timeout) == (15.0, 5.0)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "OTEL_METRIC_EXPORT_INTERVAL",
            "60s",
            "is not a whole number above 0, allowed: milliseconds",
        ),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "0", "is not a whole number above 0, allowed: milliseconds"),
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "http/json",
            "is 'http/json', allowed: http/protobuf, grpc",
        ),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "is 'zstd', allowed: none, gzip, deflate"),
        (
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
            "delta",
            (
                "is delta, allowed: cumulative "
                "(the collector's processor cumulativetodelta makes deltas of it)"
            ),
        ),
        (
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
            "https://user:hunter2@collector",
            (
                "is not a plain URL, allowed: "
                "http://HOST:PORT or https://…, with secrets in OTEL_EXPORTER_OTLP_HEADERS"
            ),
        ),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://[::1",
            (
                "is not a plain URL, allowed: "
                "http://HOST:PORT or https://…, with secrets in OTEL_EXPORTER_OTLP_HEADERS"
            ),
        ),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "collector:4318",
            (
                "is not a plain URL, allowed: "
                "http://HOST:PORT or https://…, with secrets in OTEL_EXPORTER_OTLP_HEADERS"
            ),
        ),
        (
            "OTEL_EXPORTER_OTLP_CERTIFICATE",
            "/no/file",
            "/no/file is not a file, allowed: a PEM file",
        ),
    ],
)
def test_a_mistake_is_named_at_its_variable(name: str, value: str, message: str) -> None:
    """What cannot be used is refused at the start, instead of failing later or in silence."""
    with pytest.raises(ConfigError) as caught:
        read(ENDPOINT | {name: value})

    assert str(caught.value) == f"{name}: {message}"


def test_every_mistake_is_told() -> None:
    """One start is enough to see them all."""
    mistakes = {"OTEL_EXPORTER_OTLP_PROTOCOL": "udp", "OTEL_METRIC_EXPORT_INTERVAL": "never"}

    with pytest.raises(ConfigError) as caught:
        read(ENDPOINT | mistakes)

    assert [problem.path for problem in caught.value.problems] == list(mistakes)


def test_mistakes_do_not_matter_while_it_is_off() -> None:
    """Variables meant for other programs keep nobody from starting."""
    assert read({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}).metrics is None


def test_grpc_knows_no_deflate() -> None:
    """What a protocol lacks is refused for it alone."""
    with pytest.raises(ConfigError, match="allowed with grpc: none or gzip"):
        read(
            ENDPOINT
            | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_COMPRESSION": "deflate"}
        )


def test_grpc_takes_an_endpoint_without_a_scheme() -> None:
    """As its own variables have it."""
    settings = read(
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        }
    )

    assert settings.metrics is not None


def test_a_certificate_that_is_there_is_taken(tmp_path: Path) -> None:
    """Only its absence is a mistake here; the exporters read it."""
    (tmp_path / "ca.pem").touch()

    assert read(ENDPOINT | {"OTEL_EXPORTER_OTLP_CERTIFICATE": str(tmp_path / "ca.pem")}).metrics


def test_disabled_and_wanted_contradict_each_other() -> None:
    """Neither of two opposite wishes wins in silence."""
    with pytest.raises(ConfigError, match="OTEL_SDK_DISABLED: is true"):
        read({"OTEL_SDK_DISABLED": "true"}, wanted=True)
