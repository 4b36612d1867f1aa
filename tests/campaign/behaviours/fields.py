"""JSON of the wrong shape, numbers that cannot be, fields left out, and lies about time."""

from __future__ import annotations

import json
from random import Random

from tests.campaign.behaviours.model import (
    COSTS,
    FIELDS,
    PREVIOUS,
    SUMMARY,
    TEMPLATE,
    USAGE,
    Call,
    Draft,
    Family,
    Outcome,
    Reply,
    given,
    refused,
)
from tests.campaign.wire import encode, whole

_WITH_FIELDS = tuple(FIELDS)
_TIMED = (SUMMARY, TEMPLATE)
_ROOTS: tuple[object, ...] = (
    *([], [1, 2], "text", 5, 0.5, True, None, [[]], {}, {"data": {}}, {"x": 1}),
)
_NO_NUMBERS: tuple[object, ...] = (
    *("text", "", "1_000", "0x10", "١٢", "1,5", "NaN", "-1", "1e999", "9" * 50),
    *([], [1], {}, {"value": 1}, True, False),
)
_NO_MOMENTS: tuple[object, ...] = (
    *("yesterday", "2026-11-01T00:00:00Z", [], {}, -1, 1e15, True, 0, 1),
)


def _root(random: Random, route: str) -> Draft:
    root = random.choice(_ROOTS)
    return Draft(f"{json.dumps(root)} as the answer", lambda call: refused(whole(encode(root))))


def _wrong_type(random: Random, route: str) -> Draft:
    field = random.choice(FIELDS[route])
    value = random.choice(_NO_NUMBERS)
    return Draft(
        f"{field}: {json.dumps(value)}",
        lambda call: refused(whole(encode({**call.fields, field: value}))),
    )


def _impossible(random: Random, route: str) -> Draft:
    field = random.choice(FIELDS[route])
    text = random.choice(("-1", "-0.001", "1e400", "-1e400", "1e16", "9" * 40, "1e300", "-1e-3"))

    def lie(call: Call) -> Reply:
        body = encode({**call.fields, field: "@@"}).replace(b'"@@"', text.encode())
        return refused(whole(body))

    return Draft(f"{field}: {text}", lie)


def _absurd(random: Random, route: str) -> Draft:
    """Well-formed, and more than any account can have used since the month began."""
    field = random.choice(("vcpu_hours", "ram_gb_hours"))
    value = random.choice((1e12, 1e13, 1e15, 999_999_999_999_999))
    return Draft(
        f"{field}: {value:g}",
        lambda call: refused(whole(encode({**call.fields, field: value}))),
    )


def _as_text(random: Random, route: str) -> Draft:
    form = random.choice(("{}", " {} ", "+{}", "{}e0"))

    def textual(call: Call) -> Reply:
        numbers = {f: form.format(call.fields[f]) for f in FIELDS[route]}
        return Reply(whole(encode({**call.fields, **numbers})), call.good)

    return Draft(f"numbers as text like {form.format(1)!r}", textual, Outcome.TAKEN)


def _left_out(random: Random, route: str) -> Draft:
    field = random.choice(FIELDS[route])
    null = random.random() < 0.5 or len(FIELDS[route]) == 1

    def less(call: Call) -> Reply:
        fields = call.fields
        if null:
            fields[field] = None
        else:
            del fields[field]
        return given(fields)

    return Draft(f"{field} {'null' if null else 'left out'}", less, Outcome.TAKEN)


def _more(random: Random, route: str) -> Draft:
    extra = random.choice((10, 1000))
    values: tuple[object, ...] = ("x" * 100, None, [1] * 10, {"a": {"b": []}}, 1e300)
    value = random.choice(values)
    return Draft(
        f"{extra} unknown fields",
        lambda call: given({**call.fields, **{f"unknown_{n}": value for n in range(extra)}}),
        Outcome.TAKEN,
    )


def correction(route: str, share: float) -> Draft:
    """Totals fall to a share. The counter holds, and the vendor's number is shown as it is."""
    fields = [f for f in FIELDS[route] if f not in ("running_sandboxes", "sessions_count")]

    def fall(call: Call) -> Reply:
        good = call.fields
        return given({**good, **{f: float(str(good[f])) * share for f in fields}})

    return Draft(f"totals fall to {share:.0%}", fall, Outcome.TAKEN)


def _correction(random: Random, route: str) -> Draft:
    return correction(route, random.choice((0.0, 0.5, 0.9)))


def _other_window(random: Random, route: str) -> Draft:
    key = random.choice(("start_time", "end_time"))
    days = random.choice((-400, -31, -1, 1, 2, 400))
    in_seconds = random.random() < 0.3
    # An answer for less than was asked may be taken: the vendor may know no more yet.
    refuses = not (key == "end_time" and days < 0)

    def lie(call: Call) -> Reply:
        moment = float(str(call.fields[key])) + days * 86_400_000
        said = encode({**call.fields, key: moment / (1000 if in_seconds else 1)})
        return Reply(whole(said), None if refuses else call.good)

    outcome = Outcome.REFUSED if refuses else Outcome.EITHER
    return Draft(f"{key} {days:+} days{' in seconds' * in_seconds}", lie, outcome)


def _odd_window(random: Random, route: str) -> Draft:
    key = random.choice(("start_time", "end_time"))
    value = random.choice(_NO_MOMENTS)
    return Draft(
        f"{key}: {json.dumps(value)}",
        lambda call: refused(whole(encode({**call.fields, key: value}))),
    )


def _other_month(random: Random, route: str) -> Draft:
    month = random.choice(("2020-01", "2099-12", "November", "2026-13", "x" * 300))
    return Draft(
        f"month: {month[:20]!r}",
        lambda call: refused(whole(encode({**call.fields, "month": month}))),
    )


FAMILIES = (
    Family("wrong root", _root, (*_TIMED, "storage", COSTS, PREVIOUS, USAGE), weight=2),
    Family("wrong type", _wrong_type, _WITH_FIELDS, weight=6),
    Family("impossible number", _impossible, _WITH_FIELDS, weight=4),
    Family("absurd number", _absurd, _TIMED, weight=4),
    Family("numbers as text", _as_text, _WITH_FIELDS, weight=2),
    Family("field left out", _left_out, _WITH_FIELDS, weight=3),
    Family("unknown fields", _more, _WITH_FIELDS),
    Family("correction", _correction, (SUMMARY, USAGE), weight=3),
    Family("another window", _other_window, _TIMED, weight=3),
    Family("odd window", _odd_window, _TIMED, weight=2),
    Family("another month", _other_month, (COSTS, PREVIOUS), weight=3),
)
