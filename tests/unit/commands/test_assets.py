from __future__ import annotations

from pathlib import Path

import pytest

from sandbox_exporter.commands import assets
from sandbox_exporter.commands.cli import main

REPOSITORY = Path(__file__).parents[3]


def _written(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_writes_dashboards_rules_and_provisioning(tmp_path: Path) -> None:
    """All that Prometheus, Alertmanager and Grafana read is there, as the repository has it."""
    assert main(["assets", "--output", str(tmp_path / "new" / "folder")]) == 0
    written = _written(tmp_path / "new" / "folder")
    assert "dashboards/sandbox-usage.json" in written
    assert "provisioning/prometheus/prometheus.yml" in written
    assert any(name.startswith("provisioning/prometheus/rules/") for name in written)
    assert any(name.startswith("provisioning/alertmanager/") for name in written)
    for name in written:
        copy = tmp_path / "new" / "folder" / name
        assert copy.read_bytes() == (REPOSITORY / name).read_bytes()


def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    """A second run is no mistake."""
    assert main(["assets", "--output", str(tmp_path)]) == 0
    before = _written(tmp_path)
    assert main(["assets", "--output", str(tmp_path)]) == 0
    assert _written(tmp_path) == before


def test_changed_file_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the user changed is not overwritten, and nothing else is written either."""
    own = tmp_path / "provisioning" / "prometheus" / "prometheus.yml"
    own.parent.mkdir(parents=True)
    own.write_text("{}")
    assert main(["assets", "--output", str(tmp_path)]) == 1
    assert f"{own}: is there with other content" in capsys.readouterr().err
    assert _written(tmp_path) == {"provisioning/prometheus/prometheus.yml"}


def test_installed_package_brings_them_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the package has its own copy, as a wheel does, that is what is written."""
    bundled = tmp_path / "package" / "assets" / "dashboards"
    bundled.mkdir(parents=True)
    (bundled / "only.json").write_text("{}")
    monkeypatch.setattr(assets, "_PACKAGE", tmp_path / "package")
    assert main(["assets", "--output", str(tmp_path / "out")]) == 0
    assert _written(tmp_path / "out") == {"dashboards/only.json"}
