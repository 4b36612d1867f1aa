"""`python -m tests.campaign`: hostile vendors, crashes, a month's turn and load, and a report."""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.campaign import days, decoding
from tests.campaign.crashes import Crashes
from tests.campaign.hostile import Campaign, Plan
from tests.campaign.load import Load
from tests.campaign.report import Report

_LONG = Plan(seed=0, behaviours=10_000, seacloud=50, dreadnode=20, lasting=4)
_SHORT = Plan(seed=0, behaviours=180, seacloud=20, dreadnode=3, lasting=0)
_PARTS = ("hostile", "crashes", "days", "load", "decoding")


def main() -> int:
    """Runs the chosen parts; 1 when something did not hold."""
    options = _options()
    report = Report("make campaign ARGS='" + shlex.join(sys.argv[1:]) + "'")
    folder = Path(tempfile.mkdtemp(prefix="campaign-"))
    print(f"seed {options.seed}; files in {folder}", flush=True)
    plan = _SHORT if options.form == "short" else _LONG
    plan = replace(
        plan,
        seed=options.seed,
        behaviours=options.behaviours or plan.behaviours,
        seacloud=options.accounts or plan.seacloud,
    )
    if options.only is not None:
        plan = replace(plan, seacloud=1, dreadnode=1, lasting=0, only=options.only)
    short = options.form == "short"
    if "hostile" in options.parts or options.only is not None:
        Campaign(plan, folder, report).run()
    if options.only is None:
        if "decoding" in options.parts:
            decoding.run(options.seed, report, 300 if short else 20_000)
        if "crashes" in options.parts:
            Crashes(options.seed, folder, report).run(6 if short else 100)
        if "days" in options.parts:
            days.run(options.seed, folder, report, 2 if short else 5, 60 if short else 400)
        if "load" in options.parts:
            Load(folder, report).run(5 if short else 50)
    report.write(Path(options.report))
    return 1 if report.violations else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--form", choices=("short", "long"), default="long")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="play this behaviour alone")
    parser.add_argument("--behaviours", type=int)
    parser.add_argument("--accounts", type=int)
    parser.add_argument("--parts", nargs="+", choices=_PARTS, default=_PARTS)
    parser.add_argument("--report", default="build/campaign.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
