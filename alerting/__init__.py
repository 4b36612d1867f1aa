"""The one source of the alerts: Prometheus, Grafana and Prometheus Operator files are made of it.

`python -m alerting` writes the files, from the repository's root. It imports nothing of the
exporter; that it names no metric which the exporter lacks is tested.
"""
