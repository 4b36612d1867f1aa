"""`sandbox-exporter backfill`: the vendor's history as an OpenMetrics file."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from sandbox_exporter.backfill.parts import Parts
from sandbox_exporter.backfill.report import Report
from sandbox_exporter.backfill.run import BackfillError, Source, backfill
from sandbox_exporter.backfill.span import Span
from sandbox_exporter.backfill.workspace import Workspace
from sandbox_exporter.client import Limiter
from sandbox_exporter.commands.settings import load
from sandbox_exporter.config.model import Account, Config
from sandbox_exporter.errors import ConfigError, Problem
from sandbox_exporter.vendors import build, build_client, build_history, identity
from sandbox_exporter.vendors.base import Cycle

_AUTO = "auto"


def main(options: argparse.Namespace) -> int:
    """Writes the file; 1 when the vendor refuses, with what was done kept for the next run."""
    accounts = _chosen(load(options.config_file), options.accounts)
    try:
        span = Span.parse(options.start, options.end, time.time())
    except ValueError as error:
        raise ConfigError([Problem("", str(error))]) from None
    output = Path(options.output)
    if output.is_dir() or not output.absolute().parent.is_dir():
        raise ConfigError([Problem("--output", "must be a file in a folder that exists")])
    resolution = None if options.resolution == _AUTO else Cycle[options.resolution.upper()]
    report = Report(sys.stdout, sys.stderr)
    workspace = Workspace(output, _arguments(options, accounts))
    try:
        samples = asyncio.run(_run(accounts, span, resolution, workspace, report))
        report.missing(workspace.progress)
        if samples:
            Parts(workspace.folder, workspace.progress.sizes).join(output)
            report.done(workspace.progress, output)
        workspace.remove()
        if not samples:
            raise BackfillError("the vendor tells of no usage in this time, nothing is written")
    except BackfillError as error:
        report.clear()
        print(f"backfill: {error}", file=sys.stderr)
        return 1
    finally:
        report.clear()
        workspace.close()
    return 0


async def _run(
    accounts: Sequence[Account],
    span: Span,
    resolution: Cycle | None,
    workspace: Workspace,
    report: Report,
) -> int:
    sources: list[Source] = []
    async with AsyncExitStack() as stack:
        for account in accounts:
            client = build_client(account, Limiter(account.max_requests_per_minute), report)
            stack.push_async_callback(client.aclose)
            history = build_history(account, client)
            if history is None:
                report.say(f"{account.name}: {account.provider} keeps no history")
            else:
                sources.append(Source(account, build(account, client), history))
        if not sources:
            raise BackfillError("no account whose vendor keeps a history")
        return await backfill(sources, span, resolution, workspace, report)


def _chosen(config: Config, names: Sequence[str] | None) -> Sequence[Account]:
    known = {account.name: account for account in config.accounts}
    problems = [
        Problem("--account", f"{name} is not configured, there are {', '.join(known)}")
        for name in names or ()
        if name not in known
    ]
    if problems:
        raise ConfigError(problems)
    return [account for account in config.accounts if not names or account.name in names]


def _arguments(options: argparse.Namespace, accounts: Sequence[Account]) -> str:
    """What a backfill must have in common with an earlier one to go on with it."""
    whose = [[identity(a), a.templates, a.max_templates] for a in accounts]
    return json.dumps([options.start, options.end, options.resolution, whose])
