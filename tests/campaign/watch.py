"""What must hold of a page, whatever the vendors do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.campaign.behaviours.model import COSTS, PREVIOUS, STORAGE, SUMMARY, TEMPLATE, USAGE
from tests.campaign.pages import Page, View
from tests.campaign.vendor import TEMPLATE_IDS, Taken, VendorAccount

MARKER = "hostile/key+"
"""How every planted key begins: twelve bytes, so that its base64 form begins alike too."""
LEAKS = (b"hostile/key+", b"aG9zdGlsZS9rZXkr", b"hostile%2Fkey%2B", b"hostile%2fkey%2b")
"""The marker plain, in base64 and percent-encoded."""
_CUMULATIVE = ("_total", "_count", "_bucket", "_sum")

_TOTALS = {
    "vcpu_hours": "vcpu_seconds",
    "ram_gb_hours": "memory_byte_seconds",
    "data_transfer_gb": "data_transfer_bytes",
    "usage_costs_usd": "cost_usd",
}
_LEVELS = {
    "running_sandboxes": "running_sandboxes",
    "storage_capacity_gb": "paused_storage_bytes",
}


def _summary_metrics(level: str) -> Iterator[tuple[str, str, bool]]:
    for name, stem in _TOTALS.items():
        yield name, f"sandbox_{level}_{stem}_total", True
        yield name, f"sandbox_{level}_month_{stem}", False
    for name, stem in _LEVELS.items():
        yield name, f"sandbox_{level}_{stem}", False


METRICS: Mapping[str, tuple[tuple[str, str, bool], ...]] = {
    SUMMARY: tuple(_summary_metrics("account")),
    TEMPLATE: tuple(_summary_metrics("template")),
    STORAGE: (
        ("storage_mib", "sandbox_account_storage_used_bytes", False),
        ("free_storage_mib", "sandbox_account_storage_free_bytes", False),
    ),
    COSTS: (("current_value_usd", "sandbox_account_billed_cost_usd", False),),
    PREVIOUS: (("current_value_usd", "sandbox_account_billed_cost_usd", False),),
    USAGE: (
        ("total_runtime_seconds", "sandbox_account_runtime_seconds_total", True),
        ("sessions_count", "sandbox_account_sessions_total", True),
        ("current_month_seconds", "sandbox_account_month_runtime_seconds", False),
    ),
}
"""By route: the vendor's number, the series made from it, and whether that is a counter."""
_LABELS = {COSTS: "current", PREVIOUS: "previous"}


def differences(account: VendorAccount, view: View, route: str, since: int = 0) -> list[str]:
    """Where a page differs from what was given on a route in the newest poll, or the one before.

    Only answers from the poll numbered `since` on count.
    """
    found = []
    for template_id in TEMPLATE_IDS if route == TEMPLATE else ("",):
        given = account.given.get((route, template_id))
        if given is None:
            continue
        label = template_id or _LABELS.get(route, "")
        # Costs of the month before are asked once an hour, and templates that are idle not at all.
        steady = route in (PREVIOUS, TEMPLATE)
        taken = [t for t in given.recent if t.poll >= since or steady]
        wrong = [_wrong(view, route, label, one) for one in reversed(taken)]
        if not wrong:
            found.append(f"{route} {template_id}: nothing was taken for sure")
        elif all(wrong):
            found += wrong[0]
    return found


def _wrong(view: View, route: str, label: str, taken: Taken) -> list[str]:
    found = []
    for number, metric, is_counter in METRICS[route]:
        shown = view.values.get((metric, label))
        wanted = taken.numbers.get(number)
        if is_counter and wanted is not None:
            wanted = taken.marks[number]
        if shown != wanted:
            found.append(f"{metric} {label}: {shown} is shown, {wanted} was given")
    return found


def inventions(account: VendorAccount, view: View) -> str:
    """Values and templates on a page that no answer ever gave; empty when there are none."""
    found = []
    for (route, template_id), given in account.given.items():
        label = template_id or _LABELS.get(route, "")
        for number, metric, is_counter in METRICS[route]:
            shown = view.values.get((metric, label))
            born = is_counter and shown == 0
            if shown is not None and not born and shown not in given.ever.get(number, ()):
                found.append(f"{metric} {label} {shown}")
    strange = [id_[:60] for id_ in view.template_ids() - account.listed if "***" not in id_]
    found += [f"template {id_!r}" for id_ in strange]
    return f"never given: {found[0]} and {len(found) - 1} others" if found else ""


def adopt(account: VendorAccount, view: View) -> None:
    """Takes what is shown for given, after a complaint: the next one is about something else."""
    for (route, template_id), given in account.given.items():
        label = template_id or _LABELS.get(route, "")
        for number, metric, is_counter in METRICS[route]:
            shown = view.values.get((metric, label))
            if shown is not None:
                given.ever.setdefault(number, set()).add(shown)
                if is_counter:
                    given.marks[number] = max(shown, given.marks.get(number, 0.0))
    account.listed |= view.template_ids()


class Watch:
    """Compares each page with those before it."""

    def __init__(self) -> None:
        self._highest: dict[str, float] = {}

    def falls(self, page: Page) -> Iterator[str]:
        """Counters that fell since any earlier page."""
        for series, value in page.samples.items():
            if not series.partition("{")[0].endswith(_CUMULATIVE):
                continue
            before = self._highest.get(series, value)
            if value < before:
                yield f"{series[:200]} fell from {before} to {value}"
            self._highest[series] = max(value, before)


def leaks(text: bytes) -> Iterator[str]:
    """Forms in which a planted key shows."""
    for form in LEAKS:
        place = text.find(form)
        if place >= 0:
            yield f"a key as {form.decode()}: …{text[max(0, place - 90) : place + 20]!r}"
