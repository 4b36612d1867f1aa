from __future__ import annotations

from pathlib import Path

import pytest

from sandbox_exporter.backfill.parts import Parts
from sandbox_exporter.catalogue import ACCOUNT_METRICS

FIRST, SECOND = ACCOUNT_METRICS[0].metric, ACCOUNT_METRICS[1].metric


def test_parts_are_joined_in_the_catalogues_order(tmp_path: Path) -> None:
    """Each family under its header, however the lines came; families without lines are left out."""
    parts = Parts(tmp_path, {})
    parts.write(SECOND, f"{SECOND.name} 1.0 60\n")
    parts.write(FIRST, f"{FIRST.name} 2.0 60\n")
    parts.write(SECOND, f"{SECOND.name} 3.0 120\n")
    parts.join(tmp_path / "out.om")
    parts.close()
    lines = (tmp_path / "out.om").read_text().splitlines()
    assert lines[1] == f"# TYPE {FIRST.family} counter"
    assert [line for line in lines if not line.startswith("#")] == [
        f"{FIRST.name} 2.0 60",
        f"{SECOND.name} 1.0 60",
        f"{SECOND.name} 3.0 120",
    ]
    assert lines[-1] == "# EOF"
    assert sum(line.startswith("# TYPE") for line in lines) == 2


def test_what_came_after_the_last_save_is_cut_off(tmp_path: Path) -> None:
    """An interrupted write leaves no trace."""
    parts = Parts(tmp_path, {})
    parts.write(FIRST, "whole\n")
    sizes = parts.flush()
    parts.write(FIRST, "hal")
    parts.write(SECOND, "never saved\n")
    parts.close()
    parts = Parts(tmp_path, sizes)
    parts.write(FIRST, "next\n")
    parts.close()
    assert (tmp_path / f"{FIRST.name}.part").read_text() == "whole\nnext\n"
    assert (tmp_path / f"{SECOND.name}.part").read_text() == ""


def test_lost_parts_are_an_error(tmp_path: Path) -> None:
    """A part that is shorter than it was saved cannot be gone on with."""
    (tmp_path / f"{FIRST.name}.part").write_text("x")
    with pytest.raises(OSError, match=r"is incomplete; remove .* and start again"):
        Parts(tmp_path, {FIRST.name: 2})
