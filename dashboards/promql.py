"""Pieces of PromQL that panels share; they mean the same on every store of docs/stores.md."""

from __future__ import annotations

from collections.abc import Callable

from alerting.ranges import DAY, Counters, events, within
from dashboards.names import metric

PROVIDERS = 'provider=~"$provider"'
ACCOUNTS = f'{PROVIDERS}, account=~"$account"'
"""The accounts chosen on the dashboard."""
TEMPLATES = f'{ACCOUNTS}, template_id=~"$template"'
"""The templates chosen. An account's own series, having no `template_id`, match only `All`."""
_PICKED = f'{TEMPLATES}, template_id!~"(?:$template){{2}}"'
"""The templates chosen, none for `All`: its `.*` matches itself twice in a row, no id does. So
nobody waits for a thousand templates to be read beside their account."""

BY_ACCOUNT = "provider, account"
BY_TEMPLATE = "provider, account, template_id"

RANGE = "${__range_ms}ms"
"""The dashboard's range."""
BUCKET = "${__interval}"
"""One step of a chart, which is the chosen bucket unless the chart has no room for so many."""

RECENTLY = "${__rate_interval_ms}ms"
"""A step of a chart and a minute, four minutes at least."""

Over = Callable[[str, str], str]
"""Makes an expression from a selector and the labels that tell apart accounts or templates."""


def now(selector: str, by: str) -> str:
    """The latest value."""
    return f"max by ({by}) ({selector})"


def used(window: str, ago: str = "") -> Over:
    """What counters grew by in a window of a day at most that ends now, or some time ago."""
    return lambda selector, by: Counters(selector, by).growth(window, ago)


def used_in_range(window: str = RANGE, ago: str = "") -> Over:
    """The same for a window of any length."""
    return lambda selector, by: Counters(selector, by).growth_of_range(window, ago)


def used_by_many(at: str = "") -> Over:
    """The same for many series in the dashboard's range, which are read by the day."""
    return lambda selector, by: Counters(selector, by, at=at).growth_of_range(RANGE, cell=DAY)


def used_by_bucket(selector: str, by: str) -> str:
    """What counters grew by from each point of a chart to the next.

    The negative offset puts a bucket's bar at its beginning, as the console does.
    """
    return Counters(selector, by).growth(BUCKET, f"-{BUCKET}")


def mean_by_bucket(selector: str, by: str) -> str:
    """The mean of gauges from each point of a chart to the next, the later end included."""
    samples = within(selector, BUCKET, ago=f"-{BUCKET}")
    return (
        f"(sum by ({by}) (sum_over_time({samples})) / sum by ({by}) (count_over_time({samples})))"
    )


def at_the_end(selector: str, by: str) -> str:
    """The value at the end of a chart's range, at every point of it.

    The range ends at the last whole step, perhaps before there was a value: hence looking on.
    """
    return f"last_over_time({now(selector, by)}[4h:1m] @ end() offset -2h)"


def counted_by_bucket(selector: str, by: str) -> str:
    """What all exporters' own counters grew by from each point of a chart to the next."""
    return f"{events(selector, by, BUCKET, f'-{BUCKET}')} > 0"


def counted_lately(selector: str, by: str) -> str:
    """What all exporters' own counters grew by before each point of a chart."""
    return events(selector, by, RECENTLY)


def rate(selector: str, by: str) -> str:
    """Growth of all exporters' own counters a second."""
    return f"{counted_lately(selector, by)} / (${{__rate_interval_ms}} / 1000)"


def of_accounts(name: str, over: Over = now, matchers: str = ACCOUNTS) -> str:
    """A metric of the chosen accounts, one series an account."""
    return over(f"{metric(name)}{{{matchers}}}", BY_ACCOUNT)


def of_templates(name: str, over: Over = now, matchers: str = TEMPLATES) -> str:
    """A metric of the chosen templates, one series a template."""
    return over(f"{metric(name)}{{{matchers}}}", BY_TEMPLATE)


def filtered(stem: str, over: Over = now) -> str:
    """The account's truth while no template is chosen, else the sum of those chosen; by account.

    `stem` is what follows `sandbox_account_` and `sandbox_template_`.
    """
    return filtered_pair(f"sandbox_account_{stem}", f"sandbox_template_{stem}", over)


def filtered_pair(account_name: str, template_name: str, over: Over = now) -> str:
    """`filtered` for two metrics whose names do not go together."""
    account = of_accounts(account_name, over, TEMPLATES)
    templates = of_templates(template_name, over, _PICKED)
    return f"{account} or sum by ({BY_ACCOUNT}) ({templates})"


def named(templates: str) -> str:
    """Adds to series of templates the label `name`: what the template is called, else its id."""
    return f"({templates}) * on ({BY_TEMPLATE}) group_left (name) ({template_names()})"


def template_names() -> str:
    """A 1 for each template that was there in the dashboard's range, with the label `name`."""
    info = f'{metric("sandbox_template_info")}{{{ACCOUNTS}, name!=""}}'
    any_one = f"{metric('sandbox_template_month_cost_usd')}{{{ACCOUNTS}}}"
    return (
        f"topk by ({BY_TEMPLATE}) (1, group by ({BY_TEMPLATE}, name) ({_seen(info)})) "
        f"or on ({BY_TEMPLATE}) "
        f'label_replace(group by ({BY_TEMPLATE}) ({_seen(any_one)}), "name", "$1", "template_id", '
        '"(.+)")'
    )


def _seen(selector: str) -> str:
    """Series that were there at the end of the range, or at some hour of it."""
    return f"{selector} @ end() or last_over_time({selector}[$__range:1h] @ end())"


def leading(stem: str, over: Over) -> str:
    """The ten chosen templates that used most in the whole range."""
    name = f"sandbox_template_{stem}"
    most = of_templates(name, used_by_many("@ end()"))
    return f"{of_templates(name, over)} and on ({BY_TEMPLATE}) topk(10, {most})"


def other(stem: str, over: Over) -> str:
    """What the account used beyond its `leading` templates; nothing where they explain it all."""
    whole = f"sum({of_accounts(f'sandbox_account_{stem}', over, TEMPLATES)})"
    return f"({whole} - (sum({leading(stem, over)}) or vector(0))) > 0.001 * {whole}"
