"""31 days by the minute for 20 templates: memory, and samples a second of the exporter's own work.

The answers lie on disk as the vendor would send them: what is measured is reading, checking,
assembling and writing, without a network or a request limit.
"""

from __future__ import annotations

import asyncio
import io
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from sandbox_exporter.backfill.parts import Parts
from sandbox_exporter.backfill.report import Report
from sandbox_exporter.backfill.run import Source, backfill
from sandbox_exporter.backfill.span import Span
from sandbox_exporter.backfill.workspace import Workspace
from sandbox_exporter.client import Client, body
from sandbox_exporter.config.model import Account, SecretRef
from sandbox_exporter.ledger.month import Month
from sandbox_exporter.vendors.base import Cycle
from sandbox_exporter.vendors.seacloud.history import SeaCloudHistory
from sandbox_exporter.vendors.seacloud.provider import SeaCloud

MONTH = Month(2025, 10)
DAYS = range(MONTH.start, MONTH.end, Cycle.DAY)
TEMPLATES = [f"tpl-custom-{number:016x}" for number in range(20)]
PRICES = (0.0504, 0.0162, 0.05)
MOST_MEGABYTES = 200
LEAST_RATE = 200_000


class Disk:
    """A client whose answers lie in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def get(
        self, endpoint: str, path: str, params: Mapping[str, str | int] | None = None
    ) -> object:
        """The answer, decoded as the real client decodes it."""
        params = params or {}
        if endpoint == "templates":
            return [{"templateID": name} for name in TEMPLATES]
        moment = params["end_time" if "summary" in endpoint else "start_time"]
        name = f"{endpoint.removeprefix('template_')}-{params.get('template_id', '')}-{moment}"
        return body.parse((self._folder / name).read_bytes())


def write_answers(folder: Path) -> None:
    """All the answers that will be asked for; templates do not add up to the account here."""
    for name in ("", *TEMPLATES):
        rng = random.Random(name)
        totals = [0.0, 0.0, 0.0]
        for day in DAYS:
            running = [max(0, round(rng.gauss(1, 1))) for _ in range(1440)]
            usages = [
                [count * 2 / 60 for count in running],
                [count * 4 / 60 for count in running],
                [count * rng.random() * 0.003 for count in running],
            ]
            totals = [total + sum(usage) for total, usage in zip(totals, usages, strict=True)]
            named = zip(("vcpu_hours", "ram_hours", "data_transfer"), usages, strict=True)
            for endpoint, points in (*named, ("running_sandboxes", list(map(float, running)))):
                _write_points(folder / f"{endpoint}-{name}-{day * 1000}", day, Cycle.MINUTE, points)
            if not name:
                path = folder / f"storage_stats--{day * 1000}"
                _write_points(path, day, Cycle.HOUR, [1024.0] * 24)
            keys = ("vcpu_hours", "ram_gb_hours", "data_transfer_gb")
            summary = dict(zip(keys, totals, strict=True))
            cost = sum(price * total for price, total in zip(PRICES, totals, strict=True))
            last = (day + Cycle.DAY) * 1000 - 1
            (folder / f"summary-{name}-{last}").write_text(
                json.dumps({**summary, "usage_costs_usd": cost})
            )


def _write_points(path: Path, day: int, width: int, values: Sequence[float]) -> None:
    points = ",".join(
        f'{{"timestamp":{(day + i * width) * 1000},"value":"{value:.4f}"}}'
        for i, value in enumerate(values)
    )
    path.write_text(f'{{"cycle_type":"x","current_value":1.0,"points":[{points}]}}')


def measure(answers: Path, output: Path) -> None:
    """Runs the backfill in this process and prints its figures as JSON."""
    account = Account("bench", "seacloud", "https://unused.invalid", SecretRef("env", "UNUSED"))
    client = cast(Client, Disk(answers))
    source = Source(account, SeaCloud(client), SeaCloudHistory(client))
    workspace = Workspace(output, "")
    started = time.perf_counter(), time.process_time()
    samples = asyncio.run(
        backfill(
            [source],
            Span(MONTH.start, MONTH.end),
            Cycle.MINUTE,
            workspace,
            Report(io.StringIO(), io.StringIO()),
        )
    )
    Parts(workspace.folder, workspace.progress.sizes).join(output)
    workspace.remove()
    status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    figures = {
        "samples": samples,
        "seconds": time.perf_counter() - started[0],
        "cpu_seconds": time.process_time() - started[1],
        "peak_megabytes": int(peak.split()[1]) * 1024 / 1e6,
        "file_megabytes": output.stat().st_size / 1e6,
    }
    print(json.dumps(figures))


def test_backfill_streams() -> None:
    """The contract's row: at most 200 MB, and 200,000 samples a second (of CPU time)."""
    with tempfile.TemporaryDirectory() as folder:
        answers = Path(folder) / "answers"
        answers.mkdir()
        write_answers(answers)
        command = [sys.executable, __file__, str(answers), str(Path(folder) / "history.om")]
        measured = subprocess.run(command, check=True, capture_output=True, text=True)
    figures = json.loads(measured.stdout)
    print(
        "\nbackfill, 31 days by the minute, 20 templates: {samples} samples ({file_megabytes:.0f} "
        "MB) in {seconds:.1f} s, {cpu_seconds:.1f} s of CPU; peak {peak_megabytes:.0f} MB".format(
            **figures
        )
    )
    rate = figures["samples"] / figures["cpu_seconds"]
    print(f"{rate:,.0f} samples/s of CPU, {figures['samples'] / figures['seconds']:,.0f}/s elapsed")
    assert figures["peak_megabytes"] <= MOST_MEGABYTES
    assert rate >= LEAST_RATE


if __name__ == "__main__":
    measure(Path(sys.argv[1]), Path(sys.argv[2]))
