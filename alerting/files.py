"""Which files are made of the rules, and what stands in them."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from alerting.data import data_groups
from alerting.grafana import grafana_rules
from alerting.prometheus import operator_resource, rule_file
from alerting.recording import recording_groups
from alerting.spend import spend_groups
from alerting.thresholds import Thresholds

_HEADER = "# Made by `make docs` from alerting/; change the source, not this file.\n"


def generated(limits: Thresholds) -> Mapping[str, str]:
    """Every generated file: its path from the repository's root, and its text."""
    recording, spend, data = recording_groups(limits), spend_groups(limits), data_groups(limits)
    alerts = (*spend, *data)
    documents = {
        "provisioning/prometheus/rules/recording.yml": rule_file(recording),
        "provisioning/prometheus/rules/spend.yml": rule_file(spend),
        "provisioning/prometheus/rules/data.yml": rule_file(data),
        "provisioning/prometheus-operator/prometheusrule.yaml": operator_resource(
            (*recording, *alerts)
        ),
        "provisioning/grafana/alerting/rules.yaml": grafana_rules(alerts),
    }
    return {path: _HEADER + _yaml(document) for path, document in documents.items()}


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, as people do."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _yaml(document: object) -> str:
    return str(yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=96))
