"""The Grafana dashboards as code: `python -m dashboards` writes their JSON next to it."""
