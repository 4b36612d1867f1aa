from __future__ import annotations

import math
from pathlib import Path

from sandbox_exporter.backfill.detail import Samples
from sandbox_exporter.backfill.parts import Parts
from sandbox_exporter.backfill.series import Series
from sandbox_exporter.model import Field, Template


def _text(folder: Path, metric: str) -> str:
    return (folder / f"{metric}.part").read_text()


def test_counter_and_gauge_show_the_same(tmp_path: Path) -> None:
    """A month total goes into both of its families, with the labels of the live ones."""
    parts = Parts(tmp_path, {})
    series = Series(parts, "seacloud", 'pro"d')
    written = series.write(
        [Samples(Field.COST_USD, range(60, 121, 60), (0.1, 0.30000000000000004))]
    )
    parts.close()
    assert written == 4
    for metric in ("sandbox_account_cost_usd_total", "sandbox_account_month_cost_usd"):
        labels = '{provider="seacloud",account="pro\\"d"}'
        assert _text(tmp_path, metric) == (
            f"{metric}{labels} 0.1 60\n{metric}{labels} 0.30000000000000004 120\n"
        )


def test_unknown_levels_are_left_out(tmp_path: Path) -> None:
    """Nan is no sample; where all are, there is not even a family."""
    parts = Parts(tmp_path, {})
    series = Series(parts, "seacloud", "prod", Template("tpl", "name", "custom", "v1"))
    level = Samples(Field.RUNNING_SANDBOXES, range(60, 181, 60), (1.0, math.nan, 3.0))
    nothing = Samples(Field.PAUSED_STORAGE_BYTES, range(60, 61), (math.nan,))
    assert series.write([level, nothing]) == 2
    parts.close()
    labels = '{provider="seacloud",account="prod",template_id="tpl"}'
    name = "sandbox_template_running_sandboxes"
    assert _text(tmp_path, name) == f"{name}{labels} 1.0 60\n{name}{labels} 3.0 180\n"
    assert [path.stem for path in tmp_path.glob("*.part")] == [name]
