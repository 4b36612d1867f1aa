"""Failures that the vendor states: each status with all sorts of bodies, and what it retries."""

from __future__ import annotations

import gzip
import json
from random import Random

from tests.campaign.behaviours.model import (
    PREVIOUS,
    ROUTES,
    TEMPLATE,
    USAGE,
    Call,
    Draft,
    Family,
    Outcome,
    Reply,
    echoes,
    refused,
)
from tests.campaign.wire import End, Wire, encode, head, whole

_REASONS = {
    401: "auth",
    403: "forbidden",
    404: "not_found",
    405: "not_found",
    408: "timeout",
    426: "upgrade_required",
    429: "rate_limited",
    501: "not_found",
}
_USUAL = (400, 401, 403, 404, 405, 408, 409, 418, 422, 426, 429, 451, 500, 501, 502, 503, 504)
_ODD = (300, 304, 305, 306, 399, 402, 444, 460, 499, 511, 520, 530, 598, 599, 600, 700, 888, 999)
_NO_STATUS = ("000 Zero", "1000 Long", "-1 Minus", "abc Text", "20 Short", "2e2 Science", "")


def _reason(status: int) -> str:
    if status in _REASONS:
        return _REASONS[status]
    if status >= 500:
        return "server"
    return "invalid_request" if status >= 400 else "schema"


def _bodies(call: Call, status: int) -> dict[str, tuple[bytes, list[tuple[str, str]]]]:
    echo = echoes(call.secret)
    said = f"key {echo['plain']} is {echo['base64']} or {echo['percent']}"
    seacloud = {"code": 10001, "error": {"code": "FAILED", "details": said}, "request_id": said}
    dreadnode = {"code": status, "detail": said, "type": "failed"}
    vendors = encode(dreadnode if call.route == USAGE else seacloud)
    return {
        "empty": (b"", []),
        "error of the vendor": (vendors, [("Content-Type", "application/json")]),
        "plain text error": (encode({"error": said}), []),
        "page of HTML": (b"<html>" + said.encode() + b"</html>" * 500, []),
        "gzip": (gzip.compress(vendors), [("Content-Encoding", "gzip")]),
        "gzip that is none": (vendors, [("Content-Encoding", "gzip")]),
        "300 KB": (json.dumps({"error": "x" * 300_000}).encode(), []),
        "error of a wrong type": (encode({"error": [1, {}], "detail": {}, "message": 3}), []),
        "the honest answer": (encode(call.good), []),
        "request id of odd text": (b"", [("X-Request-ID", said + "\t\x7f" * 9)]),
    }


_BODY_NAMES = tuple(_bodies(Call("", None, "", "", "", "", 0, 0), 500))


def _status(random: Random, route: str, codes: tuple[int, ...]) -> Draft:
    if route == PREVIOUS:  # asked for the first time: these would say that there is no such route
        codes = tuple(code for code in codes if _reason(code) != "not_found")
    status = random.choice(codes)
    body = random.choice(_BODY_NAMES)

    def answer(call: Call) -> Reply:
        text, headers = _bodies(call, status)[body]
        if status in (204, 304):
            return refused(Wire((head(status, headers),)))
        return refused(whole(text, status, headers))

    # A template of which nothing is found is one that was deleted, so this is no failure.
    gone = route == TEMPLATE and _reason(status) == "not_found"
    outcome = Outcome.EITHER if gone else Outcome.REFUSED
    return Draft(f"{status}, {body}", answer, outcome, frozenset({_reason(status)}))


def _usual(random: Random, route: str) -> Draft:
    return _status(random, route, _USUAL)


def _odd(random: Random, route: str) -> Draft:
    if random.random() < 0.3:
        return _status(random, route, tuple(range(300, 1000)))
    return _status(random, route, _ODD)


def _no_status(random: Random, route: str) -> Draft:
    line = random.choice(_NO_STATUS)

    def answer(call: Call) -> Reply:
        return refused(Wire((head(line), encode(call.good)), End.CLOSE))

    return Draft(f"status {line!r}", answer, reasons=frozenset({"connect"}))


def _quota(random: Random, route: str) -> Draft:
    body = (
        {"code": 429, "detail": "out of credit", "type": "quota"}
        if route == USAGE
        else {"code": 429, "error": {"code": "LIMIT", "details": {"reason": "usage_limit"}}}
    )
    return Draft(
        "429 that means a quota",
        lambda call: refused(whole(encode(body), 429)),
        reasons=frozenset({"quota"}),
    )


def _success(random: Random, route: str) -> Draft:
    """Any 2xx is a success, whatever it is called."""
    status = random.choice((201, 202, 203, 206, 207, 226, 250, 299))
    return Draft(
        f"{status} with the honest answer",
        lambda call: Reply(whole(encode(call.good), status), call.good),
        Outcome.TAKEN,
    )


def _empty_success(random: Random, route: str) -> Draft:
    status = random.choice((200, 204, 205, 202))
    return Draft(
        f"{status} with nothing",
        lambda call: refused(Wire((head(status, [("Content-Length", "0")] * (status != 204)),))),
    )


def _retry_after(random: Random, route: str) -> Draft:
    status = random.choice((429, 503))
    value = random.choice(
        ("0", "1", "2", "-5", "0.5", "soon", "", "1e9", "Wed, 21 Oct 2015 07:28:00 GMT", "1; 2")
    )
    return Draft(
        f"{status} with Retry-After {value!r}",
        lambda call: refused(whole(b"", status, [("Retry-After", value)])),
        reasons=frozenset({_reason(status)}),
    )


def _retry_after_years(random: Random, route: str) -> Draft:
    value = random.choice(
        ("31536000", "99999999999999999999", "Fri, 31 Dec 2099 23:59:59 GMT", "86400", "3600")
    )
    return Draft(
        f"429 with Retry-After {value!r}",
        lambda call: refused(whole(b"", 429, [("Retry-After", value)])),
        reasons=frozenset({"rate_limited"}),
        lasting=True,
    )


FAMILIES = (
    Family("status", _usual, weight=8),
    Family("odd status", _odd, weight=3),
    Family("no status", _no_status),
    Family("quota", _quota),
    Family("other success", _success),
    Family("empty success", _empty_success),
    Family("retry after", _retry_after, weight=2),
)
LASTING = (Family("retry after years", _retry_after_years, ROUTES),)
