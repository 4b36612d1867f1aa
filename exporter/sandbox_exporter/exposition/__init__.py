"""The snapshot as Prometheus text and OpenMetrics, rendered when a poll publishes."""
