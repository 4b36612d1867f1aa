"""Redirects: to odd URLs, to other origins, in chains and loops."""

from __future__ import annotations

from random import Random

from tests.campaign.behaviours.model import Call, Draft, Family, Outcome, Reply, refused
from tests.campaign.wire import encode, whole

_CODES = (301, 302, 303, 307, 308)
_FOLLOWED = 3
"""Redirects that the exporter follows at most."""
_ODD = (
    "https:////[x",
    "http://[::1",
    "http://[",
    "",
    ":",
    "//",
    "///",
    "http://",
    "http:///path",
    "https://host:99999/",
    "http://host:port/",
    "http://127.0.0.1:-1/",
    "javascript:alert(1)",
    "data:application/json,{}",
    "file:///etc/passwd",
    "ftp://127.0.0.1/x",
    "mailto:a@b",
    "http://xn--/",
    "http://a..b/",
    "http://" + "a" * 300 + ".example/",
    "http://exa mple/",
    "http://\u00ff\u00fe/",
    "\x01\x02",
    "http://127.0.0.1:1/\x7f",
    "https://" + "x" * 60_000,
    "/" + "y" * 90_000,
    "http://user:pass@[::1]:80:80/",
    "http://%00/",
    "http://%31%32%37.0.0.1/",
)


def _next_hop(call: Call) -> str:
    path, _, query = call.target.partition("?")
    kept = [pair for pair in query.split("&") if pair and not pair.startswith("_hop=")]
    return f"{path}?{'&'.join([*kept, f'_hop={call.hop + 1}'])}"


def _to(url: str, code: int) -> Reply:
    return refused(whole(b"", code, [("Location", url)]))


def _chain(random: Random, route: str) -> Draft:
    code, count = random.choice(_CODES), random.randint(1, 6)
    absolute = random.choice((False, True))

    def answer(call: Call) -> Reply:
        if call.hop >= count:
            return Reply(whole(encode(call.good)), call.good)
        return _to((call.origin if absolute else "") + _next_hop(call), code)

    outcome = Outcome.TAKEN if count <= _FOLLOWED else Outcome.REFUSED
    return Draft(f"{count} redirects of {code}", answer, outcome)


def _loop(random: Random, route: str) -> Draft:
    code = random.choice(_CODES)
    return Draft(f"{code} to itself", lambda call: _to(call.target, code))


def _elsewhere(random: Random, route: str) -> Draft:
    code = random.choice(_CODES)
    forms = {
        "another port": lambda call: call.canary + call.target,
        "no scheme": lambda call: call.canary.removeprefix("http:") + call.target,
        "a user": lambda call: call.canary.replace("//", f"//{call.secret[:4]}:x@"),
        "another scheme": lambda call: call.origin.replace("http:", "https:") + call.target,
        "another name": lambda call: call.canary.replace("127.0.0.1", "localhost"),
        "back slashes": lambda call: call.canary.replace("//", "\\\\"),
        "an at sign": lambda call: call.origin + "@" + call.canary.removeprefix("http://"),
    }
    name = random.choice(tuple(forms))
    return Draft(
        f"{code} to {name}",
        lambda call: _to(forms[name](call), code),
        Outcome.REFUSED,
        frozenset({"schema", "connect", "invalid_request"}),
    )


def _odd(random: Random, route: str) -> Draft:
    code, url = random.choice(_CODES), random.choice(_ODD)
    return Draft(
        f"{code} to {url[:40]!r}",
        lambda call: _to(url, code),
        reasons=frozenset({"schema", "connect", "invalid_request"}),
    )


def _nowhere(random: Random, route: str) -> Draft:
    code = random.choice(_CODES)
    return Draft(f"{code} without a place", lambda call: refused(whole(b"", code)))


FAMILIES = (
    Family("redirect chain", _chain, weight=3),
    Family("redirect loop", _loop),
    Family("redirect elsewhere", _elsewhere, weight=3),
    Family("redirect to an odd URL", _odd, weight=4),
    Family("redirect nowhere", _nowhere),
)
