"""The pages for people. All text is escaped: names and errors come from upstream."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from html import escape

from sandbox_exporter.model import Field
from sandbox_exporter.snapshot import AccountSnapshot
from sandbox_exporter.web.site import Site
from sandbox_exporter.web.stylesheet import STYLESHEET

PRODUCT = "Sandbox usage exporter"
STYLE_HASH = b64encode(sha256(STYLESHEET.encode()).digest()).decode()
"""SHA-256 of the stylesheet as a Content-Security-Policy writes it."""

_UNKNOWN = "&ndash;"
_LONGEST_ERROR = 400
_STATES = {
    "up": "up",
    "partly": "partly failing",
    "stale": "stale",
    "down": "down",
    "starting": "starting",
}
"""Words for the states, by their class in the stylesheet."""


def landing_page(site: Site) -> str:
    """The HTML of `/`: version, links, totals and a table of accounts."""
    accounts = site.snapshot().accounts
    now = site.now()
    links = {"Metrics": "/metrics", "Ready": "/-/ready", "Healthy": "/-/healthy"}
    if site.metrics_for == "none":
        del links["Metrics"]
    if site.documentation:
        links["Documentation"] = site.documentation
    nav = "".join(f'<a href="{_text(url)}">{name}</a>' for name, url in links.items())
    rows = "".join(_account_rows(account, now) for account in accounts)
    return _document(
        PRODUCT,
        f"<header><h1>{PRODUCT} <small>{_text(site.version)}</small></h1><nav>{nav}</nav></header>"
        f'<dl class="figures">{_figures(accounts)}</dl>'
        "<table><thead><tr>"
        '<th scope="col">Account</th><th scope="col">Provider</th><th scope="col">State</th>'
        '<th scope="col" class="number">Last success</th>'
        '<th scope="col" class="number">Templates</th>'
        '<th scope="col" class="number">Running</th>'
        '<th scope="col" class="number">Month to date</th>'
        f"</tr></thead>{rows}</table>"
        '<footer class="note">Neither this page nor a scrape calls a vendor: both show what the '
        "last poll found. Months are billing months in UTC.</footer>",
    )


def not_found_page() -> str:
    """The HTML of an address that is not served."""
    return _document(
        f"Not found · {PRODUCT}",
        "<header><h1>There is no such page</h1></header>"
        '<p>Everything that is served here is linked from the <a href="/">start page</a>.</p>',
    )


def account_state(account: AccountSnapshot) -> str:
    """One of `up`, `partly`, `stale`, `down`, `starting`.

    Stale is an account whose usage was once read and is no longer published.
    """
    if not account.tried:
        return "starting"
    if account.up and not account.error:
        return "up"
    if account.last_success is not None and not account.usage.readings:
        return "stale"
    return "partly" if any(endpoint.up for endpoint in account.endpoints) else "down"


def age(seconds: float) -> str:
    """A duration in the largest unit that fits, such as `12 s ago` or `3 h ago`."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{max(seconds, 0) // 1:.0f} s ago"


def _document(title: str, content: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLESHEET}</style></head>"
        f"<body><main>{content}</main></body></html>"
    )


def _figures(accounts: tuple[AccountSnapshot, ...]) -> str:
    up = sum(account.up for account in accounts)
    running = _total(accounts, Field.RUNNING_SANDBOXES)
    cost = _total(accounts, Field.COST_USD)
    return (
        f"<div><dt>Accounts up</dt><dd>{up} <small>of {len(accounts)}</small></dd></div>"
        f"<div><dt>Running sandboxes</dt><dd>{_count(running)}</dd></div>"
        f"<div><dt>Month to date</dt><dd>{_dollars(cost)}</dd></div>"
    )


def _account_rows(account: AccountSnapshot, now: float) -> str:
    state = account_state(account)
    readings = account.usage.readings
    templates = _count(account.templates_known or None)
    if account.templates_dropped:
        templates += f' <span class="note">+{account.templates_dropped:,} dropped</span>'
    cost = _dollars(readings.get(Field.COST_USD))
    if account.budget_usd is not None:
        cost += f' <span class="note">of {_dollars(account.budget_usd)}</span>'
    cells = (
        ("Last success", _last_success(account.last_success, now)),
        ("Templates", templates),
        ("Running", _count(readings.get(Field.RUNNING_SANDBOXES))),
        ("Month to date", cost),
    )
    numbers = "".join(
        f'<td class="number" data-label="{label}"><span>{value}</span></td>'
        for label, value in cells
    )
    error = ""
    if account.error:
        error = f'<tr class="error"><td colspan="7"><bdi>{_text(account.error)}</bdi></td></tr>'
    return (
        f'<tbody><tr><th scope="row"><bdi>{_text(account.account)}</bdi></th>'
        f'<td data-label="Provider">{_text(account.provider)}</td>'
        f'<td data-label="State"><span class="state {state}">{_STATES[state]}</span></td>'
        f"{numbers}</tr>{error}</tbody>"
    )


def _last_success(when: float | None, now: float) -> str:
    if when is None:
        return "never"
    stamp = datetime.fromtimestamp(when, UTC).isoformat(timespec="seconds")
    return f'<time datetime="{stamp}" title="{stamp}">{age(now - when)}</time>'


def _total(accounts: tuple[AccountSnapshot, ...], field: Field) -> float | None:
    known = [item.usage.readings[field] for item in accounts if field in item.usage.readings]
    return sum(known) if known else None


def _count(number: float | None) -> str:
    return _UNKNOWN if number is None else f"{number:,.0f}"


def _dollars(amount: float | None) -> str:
    return _UNKNOWN if amount is None else f"${amount:,.2f}"


def _text(text: str) -> str:
    """Text for HTML, cut to a readable length; what UTF-8 cannot carry becomes a question mark."""
    if len(text) > _LONGEST_ERROR:
        text = text[:_LONGEST_ERROR] + "…"
    return escape(text.encode("utf-8", "replace").decode("utf-8"))
