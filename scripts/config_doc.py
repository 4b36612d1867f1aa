"""Writes the parts of docs/configuration.md that the vendors' descriptors decide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from sandbox_exporter.config.accounts import MAX_TEMPLATES, TEMPLATES_ALLOWED
from sandbox_exporter.config.section import Check
from sandbox_exporter.vendors import VENDORS, Vendor

PAGE = Path(__file__).parent.parent / "docs" / "configuration.md"

_KEYS_HEAD = "| key | default | allowed | meaning |\n|---|---|---|---|"
_DROPPED = (
    "Most templates to have series for; the rest is counted in "
    '`sandbox_exporter_templates{state="dropped"}`, and listed items that cannot be used (an id '
    "that is no printable text of 1 to 256 characters, or that holds the account's key) in "
    '`{state="invalid"}`.'
)


def render(page: str, vendors: Iterable[Vendor]) -> str:
    """The page with what stands between its `vendors` comments written anew."""
    vendors = tuple(vendors)
    for name, lines in (("keys", _keys(vendors)), ("variables", _variables(vendors))):
        begin, end = f"<!-- vendors: {name}, by make docs -->\n", f"<!-- vendors: end of {name} -->"
        before, found, rest = page.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise ValueError(f"the comments around the vendors' {name} are missing")
        page = "".join((before, begin, *(f"{line}\n" for line in lines), end, after))
    return page


def allowed(check: Check[object]) -> str:
    """What a check allows, in its own words."""
    try:
        check(None)
    except ValueError as error:
        return str(error).partition("allowed: ")[2]
    raise ValueError("a check must refuse null, and say what is allowed")


def _keys(vendors: tuple[Vendor, ...]) -> Iterator[str]:
    yield "| vendor | `provider` | `base_url` without the key |\n|---|---|---|"
    for vendor in vendors:
        note = f" ({vendor.base_url_note})" if vendor.base_url_note else ""
        yield f"| {vendor.title} | `{vendor.name}` | `{vendor.base_url}`{note} |"
    broken_down = [f"`provider: {vendor.name}`" for vendor in vendors if vendor.breakdown]
    if broken_down:
        yield f"\nOnly where usage is told by template, with {' or '.join(broken_down)}:\n"
        yield _KEYS_HEAD
        yield (
            f"| `accounts[].templates` | `discover` | {TEMPLATES_ALLOWED} | Which templates get "
            "series of their own: all that the key may see, none, or those listed. |"
        )
        limits = allowed(MAX_TEMPLATES)
        yield f"| `accounts[].max_templates` | `1000` | {limits} | {_DROPPED} |"
    for vendor in vendors:
        if vendor.keys:
            yield f"\nOnly with `provider: {vendor.name}`:\n\n{_KEYS_HEAD}"
        for key in vendor.keys:
            default = "required" if key.default is None else key.default or "none"
            names = f"`accounts[].{key.name}` | {default}"
            yield f"| {names} | {allowed(key.check)} | {key.meaning} |"


def _variables(vendors: tuple[Vendor, ...]) -> Iterator[str]:
    yield "| variable | stands for |\n|---|---|"
    for vendor in vendors:
        required = {key.name for key in vendor.keys if key.default is None}
        for key, variable in vendor.variables.items():
            if key == "api_key":
                yield f"| `{variable}` | the API key; makes the account `{vendor.name}` |"
            else:
                needed = ", required with the key" if key in required else ""
                yield f"| `{variable}` | its `{key}`{needed} |"


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8"), VENDORS.values()), encoding="utf-8")
