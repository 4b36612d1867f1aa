"""The backfill itself: plan, read, write, join; each step can be interrupted and goes on later."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from sandbox_exporter.backfill.detail import Assembler
from sandbox_exporter.backfill.parts import Parts
from sandbox_exporter.backfill.plan import Plan, Scope, make_plan
from sandbox_exporter.backfill.reading import TOTALS, Reader
from sandbox_exporter.backfill.report import Report
from sandbox_exporter.backfill.series import Series
from sandbox_exporter.backfill.span import Span, iso
from sandbox_exporter.backfill.workspace import Progress, Workspace
from sandbox_exporter.config.model import Account
from sandbox_exporter.errors import UpstreamError
from sandbox_exporter.vendors import History, Provider
from sandbox_exporter.vendors.base import Cycle


class BackfillError(Exception):
    """Why a backfill ended before its end, in one line."""


@dataclass(frozen=True, slots=True)
class Source:
    """An account and its vendor."""

    account: Account
    provider: Provider
    history: History


async def backfill(
    sources: Sequence[Source],
    span: Span,
    resolution: Cycle | None,
    workspace: Workspace,
    report: Report,
) -> int:
    """Writes the parts of all accounts; how many samples there are now.

    What an earlier run of the same workspace did is not done again. `resolution` None chooses.
    Raises `BackfillError` for what a vendor refuses or breaks.
    """
    if workspace.plans is None:
        workspace.begin([await _plan(source, span, resolution) for source in sources])
    plans = workspace.plans or []
    for source, plan in zip(sources, plans, strict=True):
        report.planned(plan, source.account.max_requests_per_minute)
    progress = workspace.progress
    parts = Parts(workspace.folder, progress.sizes)
    try:
        for source, plan in list(zip(sources, plans, strict=True))[progress.plan :]:
            await _account(source, plan, workspace, parts, report)
            progress.next_plan()
    finally:
        parts.close()
    return progress.samples


async def _plan(source: Source, span: Span, resolution: Cycle | None) -> Plan:
    account = source.account
    try:
        plan = await make_plan(account, source.provider, source.history, span, resolution)
    except UpstreamError as error:
        raise BackfillError(f"{account.name}: {error}") from None
    if plan.span.start >= plan.span.end:
        raise BackfillError(
            f"{account.name}: --from and --to leave no whole {plan.resolution.name.lower()} (UTC)"
        )
    return plan


async def _account(
    source: Source, plan: Plan, workspace: Workspace, parts: Parts, report: Report
) -> None:
    progress = workspace.progress
    if progress.scope == progress.window == 0:
        for template_id, start, end, message in plan.refused:
            progress.note(plan.label(template_id), _lack(TOTALS, message), start, end)
    for scope in plan.scopes[progress.scope :]:
        try:
            await _scope(source.history, plan, scope, workspace, parts, report)
        except UpstreamError as error:
            where = f"{plan.label(scope.template_id)}, {iso(progress.window or plan.span.start)}"
            raise BackfillError(f"{where}: {error}; the same command goes on from here") from None
        progress.next_scope()


async def _scope(
    history: History, plan: Plan, scope: Scope, workspace: Workspace, parts: Parts, report: Report
) -> None:
    """One account's or template's series, over all windows that are not done yet."""
    progress = workspace.progress
    series = Series(parts, plan.provider, plan.account, scope.template)
    assembler = Assembler(history, plan.resolution, progress.position)
    reader = Reader(history, scope.template_id, scope.months, plan.resolution)
    windows = [w for w in plan.windows(scope) if w.start >= progress.window]
    prices = {w.month: plan.prices(w.month) for w in windows}
    async with aclosing(reader.read(windows)) as told:
        async for answers in told:
            begun = progress.position.until
            samples, unknown = assembler.assemble(answers, prices[answers.window.month])
            progress.samples += series.write(samples)
            if samples and not begun and not scope.template:
                _note_idle_beginning(progress, plan, scope, answers.window.start)
            for name, why in unknown.items():
                label, window = plan.label(scope.template_id), answers.window
                progress.note(label, _lack(name, why), window.start, window.end)
            progress.window = answers.window.end
            progress.sizes = parts.flush()
            workspace.save()
            report.progress(plan, progress)
    if not scope.template and not progress.position.until:
        _note_idle_beginning(progress, plan, scope, plan.span.end)


def _note_idle_beginning(progress: Progress, plan: Plan, scope: Scope, until: int) -> None:
    """Notes that no usage is told before `until`; refused months are noted by themselves."""
    told = min((month.start for month in scope.months), default=until)
    start = max(told, plan.span.start)
    if start < until:
        text = "the vendor tells of no usage, nothing is written"
        progress.note(plan.account, text, start, until)


def _lack(name: str, why: str) -> str:
    written = "nothing is written" if name == TOTALS else "only what is known is written"
    return f"{name}: {why}; {written}"
