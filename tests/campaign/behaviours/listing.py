"""Lists of templates: odd identifiers and names, pages without end, pages that shrink."""

from __future__ import annotations

import json
from random import Random

from tests.campaign.behaviours.model import (
    TEMPLATES,
    Call,
    Draft,
    Family,
    Outcome,
    Reply,
    echoes,
    refused,
)
from tests.campaign.wire import encode, whole

PAGE = 100
_ENDLESS = frozenset({"too_large", "rate_limited", "timeout", "schema"})
_VALID_IDS = (
    'quo"te',
    "back\\slash",
    'end"} 1\\nsandbox_up{x="y',
    "a b",
    "a/b?c=d&e=f#g",
    "%2e%2e%2f",
    "..",
    "{braces}",
    "日本語テンプレート",
    "é" * 256,
    "x" * 256,
    "🚀",
    "0",
    "None",
    "true",
    " leading",
)
_INVALID_IDS: tuple[object, ...] = (
    "",
    None,
    5,
    True,
    [],
    {"id": "x"},
    "x" * 257,
    "x" * 1_000_000,
    "line\nbreak",
    "carriage\rreturn",
    "nul\0byte",
    "escape\x1b[31m",
    "tab\tbed",
    "right\u202eleft",
    "line\u2028separator",
    "all",
)


_NO_TEMPLATES: tuple[object, ...] = (
    *(None, 5, "text", [], {}, {"id": "x"}, {"TEMPLATEID": "x"}, True),
)
_NO_LISTINGS: tuple[object, ...] = (
    *({}, {"data": {}}, "text", 5, {"templates": {}}, {"templates": "x"}, True),
)
_EMPTY_LISTINGS: tuple[object, ...] = (
    *([], None, {"templates": []}, {"templates": None}, {"data": None}),
)


def _items(call: Call) -> list[dict[str, object]]:
    return list(call.good) if isinstance(call.good, list) else []


def _page(items: object) -> bytes:
    return encode({"templates": items})


def _among(random: Random, item: object, detail: str, *, valid: bool) -> Draft:
    """One odd template among the honest ones."""
    place = random.randint(0, 3)

    def answer(call: Call) -> Reply:
        items: list[object] = [*_items(call)]
        shown = list(items)
        if call.offset == 0:
            items.insert(place, item)
            shown = items if valid else shown
        return Reply(whole(_page(items)), shown)

    return Draft(detail, answer, Outcome.EITHER)


def _valid_id(random: Random, route: str) -> Draft:
    odd = random.choice(_VALID_IDS)
    return _among(random, {"templateID": odd}, f"a template {odd[:30]!r}", valid=True)


def _invalid_id(random: Random, route: str) -> Draft:
    odd = random.choice(_INVALID_IDS)
    detail = f"a template {odd!r:.30}"
    return _among(random, {"templateID": odd, "names": ["x"]}, detail, valid=False)


def _no_template(random: Random, route: str) -> Draft:
    item = random.choice(_NO_TEMPLATES)
    return _among(random, item, f"{json.dumps(item)} in place of a template", valid=False)


def _odd_attribute(random: Random, route: str) -> Draft:
    attributes: tuple[tuple[str, object], ...] = (
        ("names", 'new\nline "quoted" \\ \x00 \u202e'),
        ("names", ["\n", 'x"} 5\ny{z="']),
        ("names", [None, 5, [], "good"]),
        ("names", {"a": "b"}),
        ("names", ["n" * 1_000_000]),
        ("aliases", ["\x1b[2J"]),
        ("type", ["x"]),
        ("type", "t\r\nx" * 200),
        ("version", 10**30),
        ("version", {"a": 1}),
        ("spawnCount", "many"),
        ("spawnCount", -5),
        ("spawnCount", 1e300),
        ("lastSpawnedAt", "yesterday"),
        ("lastSpawnedAt", 1e300),
        ("lastSpawnedAt", "9999-12-31T23:59:59Z"),
        ("lastSpawnedAt", [1]),
    )
    key, value = random.choice(attributes)
    item = {"templateID": "odd", key: value}
    return _among(random, item, f"a template with {key} {value!r:.30}", valid=True)


def _echo(random: Random, route: str) -> Draft:
    """The account's own key where a template's identifier or name should be."""
    form = random.choice(("plain", "base64", "percent"))
    key = random.choice(("templateID", "names", "type", "version", "aliases"))

    def answer(call: Call) -> Reply:
        said = echoes(call.secret)[form]
        text = [f"my {said}"] if key in ("names", "aliases") else said
        item: dict[str, object] = {"templateID": "echo", key: text}
        items = [*_items(call), item] if call.offset == 0 else _items(call)
        return Reply(whole(_page(items)), items)

    return Draft(f"the key as {key}, {form}", answer, Outcome.EITHER)


def _twice(random: Random, route: str) -> Draft:
    def answer(call: Call) -> Reply:
        items = _items(call)
        return Reply(whole(_page(items * random_count)), items)

    random_count = random.choice((2, 30))
    return Draft(f"each template {random_count} times", answer, Outcome.TAKEN)


def _envelope(random: Random, route: str) -> Draft:
    form = random.choice(
        ("@", '{"items":@}', '{"data":@}', '{"data":{"list":@,"total":-1}}', '{"results":@}')
    )

    def answer(call: Call) -> Reply:
        items = json.dumps(_items(call))
        return Reply(whole(form.replace("@", items).encode()), call.good)

    return Draft(f"the listing as {form}", answer, Outcome.TAKEN)


def _no_listing(random: Random, route: str) -> Draft:
    root = random.choice(_NO_LISTINGS)
    return Draft(f"{json.dumps(root)} as the listing", lambda call: refused(whole(encode(root))))


def _endless(random: Random, route: str) -> Draft:
    size = random.choice((1, PAGE, 1000))

    def answer(call: Call) -> Reply:
        items: list[object] = [*_items(call)]
        numbers = range(call.offset, call.offset + size)
        items += [{"templateID": f"endless-{n}", "names": [f"e{n}"]} for n in numbers]
        return Reply(whole(_page(items)), items)

    return Draft(f"pages of {size} new ones without end", answer, Outcome.EITHER, _ENDLESS)


def _same_page(random: Random, route: str) -> Draft:
    """Whatever page is asked for, it is the first."""

    def answer(call: Call) -> Reply:
        items = _items(call) or [{"templateID": f"tpl-{n}"} for n in range(3)]
        return Reply(whole(_page(items)), items)

    return Draft("the first page again and again", answer, Outcome.TAKEN)


def _shrinking(random: Random, route: str) -> Draft:
    sizes = random.choice(((40, 20, 10, 0), (5, 0), (1, 1, 1, 0)))

    def answer(call: Call) -> Reply:
        items: list[object] = [*_items(call)]
        place = sum(call.offset > sum(sizes[: n + 1]) for n in range(len(sizes)))
        count = sizes[min(place, len(sizes) - 1)]
        items += [{"templateID": f"shrink-{call.offset + n}"} for n in range(count)]
        return Reply(whole(_page(items)), items)

    return Draft(f"pages that shrink: {sizes}", answer, Outcome.EITHER)


def _later_page_fails(random: Random, route: str) -> Draft:
    status = random.choice((500, 429, 403, 400))
    reasons = {500: "server", 429: "rate_limited", 403: "forbidden", 400: "invalid_request"}

    def answer(call: Call) -> Reply:
        if call.offset:
            return refused(whole(b"{}", status))
        items = [*_items(call), *({"templateID": f"paged-{n}"} for n in range(PAGE))]
        return Reply(whole(_page(items)), items)

    return Draft(f"{status} for the second page", answer, reasons=frozenset({reasons[status]}))


def _many(random: Random, route: str) -> Draft:
    count = random.choice((500, 5000))

    def answer(call: Call) -> Reply:
        items: list[object] = [*_items(call)]
        if call.offset == 0:
            items += [{"templateID": f"many-{n}", "spawnCount": n} for n in range(count)]
        return Reply(whole(_page(items)), items)

    return Draft(f"{count} templates at once", answer, Outcome.TAKEN)


def _none(random: Random, route: str) -> Draft:
    root = random.choice(_EMPTY_LISTINGS)
    return Draft(
        f"{json.dumps(root)}: no templates",
        lambda call: Reply(whole(encode(root)), []),
        Outcome.EITHER,
    )


_LISTING = (TEMPLATES,)
FAMILIES = (
    Family("valid odd id", _valid_id, _LISTING, weight=8),
    Family("invalid id", _invalid_id, _LISTING, weight=10),
    Family("no template", _no_template, _LISTING, weight=3),
    Family("odd attribute", _odd_attribute, _LISTING, weight=6),
    Family("echoed key", _echo, _LISTING, weight=6),
    Family("duplicates", _twice, _LISTING, weight=2),
    Family("envelope", _envelope, _LISTING, weight=2),
    Family("no listing", _no_listing, _LISTING, weight=3),
    Family("endless pages", _endless, _LISTING, weight=3),
    Family("same page", _same_page, _LISTING, weight=2),
    Family("shrinking pages", _shrinking, _LISTING, weight=3),
    Family("later page fails", _later_page_fails, _LISTING, weight=3),
    Family("many templates", _many, _LISTING, weight=2),
    Family("no templates", _none, _LISTING, weight=2),
)
