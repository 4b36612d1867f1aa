"""Prometheus and OpenTelemetry metrics from what agent-sandbox vendors bill."""

__version__ = "0.1.0"
