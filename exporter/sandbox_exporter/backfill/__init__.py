"""A vendor's history as an OpenMetrics file: the series that the exporter would have made."""
