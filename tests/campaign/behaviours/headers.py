"""Status lines and headers: huge, many, malformed, contradictory, of other protocols."""

from __future__ import annotations

from random import Random

from tests.campaign.behaviours.model import (
    Call,
    Draft,
    Family,
    Outcome,
    Reply,
    echoes,
    refused,
)
from tests.campaign.wire import End, Wire, answer, encode, head, whole

_CONNECT = frozenset({"connect"})


def _huge(random: Random, route: str) -> Draft:
    size = random.choice((200_000, 5_000_000))
    return Draft(
        f"a header of {size:,} bytes",
        lambda call: refused(whole(encode(call.good), 200, [("X-Huge", "x" * size)])),
        reasons=_CONNECT,
    )


def _many(random: Random, route: str) -> Draft:
    count = random.choice((100, 1000))
    return Draft(
        f"{count} headers",
        lambda call: Reply(
            whole(encode(call.good), 200, [(f"X-{n}", "v") for n in range(count)]), call.good
        ),
        Outcome.TAKEN,
    )


def _far_too_many(random: Random, route: str) -> Draft:
    return Draft(
        "100,000 headers",
        lambda call: refused(
            whole(encode(call.good), 200, [(f"X-{n}", "v") for n in range(100_000)])
        ),
        reasons=_CONNECT,
    )


def _malformed(random: Random, route: str) -> Draft:
    line = random.choice(
        (
            b"no colon at all",
            b": no name",
            b"Sp ace: x",
            b"Ctrl\x01: x",
            b"X-Nul: a\0b",
            b"\xff\xfe: x",
            b" folded first",
        )
    )
    start = b"HTTP/1.1 200 OK\r\n" + line + b"\r\n\r\n"
    return Draft(
        f"header line {line!r}",
        lambda call: refused(Wire((start, encode(call.good)), End.CLOSE)),
        reasons=_CONNECT,
    )


def _lenient(random: Random, route: str) -> Draft:
    """What some clients forgive and some do not."""
    starts = {
        "bare line feeds": lambda n: b"HTTP/1.1 200 OK\nContent-Length: %d\n\n" % n,
        "folded": lambda n: b"HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: %d\r\n\r\n" % n,
        "HTTP/1.0": lambda n: b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % n,
        "no reason": lambda n: b"HTTP/1.1 200\r\nContent-Length: %d\r\n\r\n" % n,
        "lower case": lambda n: b"http/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % n,
        "two codings": lambda n: (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\nContent-Length: %d\r\n\r\n" % n
        ),
        "obscure bytes": lambda n: (
            b"HTTP/1.1 200 \xff\xfe\r\nX-A: \xff\r\nContent-Length: %d\r\n\r\n" % n
        ),
        "empty lines first": lambda n: b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % n,
    }
    name = random.choice(tuple(starts))

    def lenient(call: Call) -> Reply:
        body = encode(call.good)
        return Reply(Wire((starts[name](len(body)), body), End.CLOSE), call.good)

    return Draft(f"an answer with {name}", lenient, Outcome.EITHER)


def _protocol(random: Random, route: str) -> Draft:
    start = random.choice(
        (
            b"HTTP/2.0 200 OK\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"ICY 200 OK\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"220 smtp.example ESMTP\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"<html></html>\r\n\r\n",
            b"{}",
            b"HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
        )
    )
    return Draft(
        f"another protocol: {start[:25]!r}",
        lambda call: refused(Wire((start,), End.CLOSE)),
        reasons=_CONNECT | {"schema"},
    )


def _interim(random: Random, route: str) -> Draft:
    code, count = random.choice((100, 102, 103)), random.choice((1, 5))
    return Draft(
        f"{count} interim answers {code}",
        lambda call: Reply(
            Wire((head(f"{code} Wait") * count + answer(encode(call.good)),)), call.good
        ),
        Outcome.TAKEN,
    )


def _switching(random: Random, route: str) -> Draft:
    return Draft(
        "101 with another protocol after it",
        lambda call: refused(
            Wire((head("101 Switching", [("Upgrade", "websocket")]), b"\x81\0"), End.CLOSE)
        ),
        Outcome.EITHER,
    )


def _harmless(random: Random, route: str) -> Draft:
    name, value = random.choice(
        (
            ("Content-Type", "text/html; charset=utf-7"),
            ("Content-Type", "application/octet-stream"),
            ("Set-Cookie", "session=@; Path=/"),
            ("X-Request-ID", "@"),
            ("X-Request-ID", "r" * 50_000),
            ("Retry-After", "31536000"),
            ("Location", "https://elsewhere.example/"),
            ("WWW-Authenticate", "Basic realm=x"),
            ("Upgrade", "h2c"),
            ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("Connection", "upgrade"),
            ("Alt-Svc", 'h3=":443"'),
            ("Strict-Transport-Security", "max-age=99999999"),
        )
    )

    def answer_(call: Call) -> Reply:
        said = value.replace("@", echoes(call.secret)["plain"])
        return Reply(whole(encode(call.good), 200, [(name, said)]), call.good)

    return Draft(f"{name}: {value[:30]}", answer_, Outcome.TAKEN)


def _connection(random: Random, route: str) -> Draft:
    says = random.choice(("close", "keep-alive", "Close, x"))
    end = random.choice((End.KEEP, End.CLOSE))
    return Draft(
        f"Connection: {says}, then {end.value}",
        lambda call: Reply(
            Wire((answer(encode(call.good), 200, [("Connection", says)]),), end), call.good
        ),
        Outcome.TAKEN,
    )


FAMILIES = (
    Family("huge header", _huge, weight=2),
    Family("many headers", _many),
    Family("far too many headers", _far_too_many),
    Family("malformed header", _malformed, weight=3),
    Family("lenient", _lenient, weight=3),
    Family("another protocol", _protocol, weight=3),
    Family("interim answers", _interim, weight=2),
    Family("switching protocols", _switching),
    Family("harmless header", _harmless, weight=3),
    Family("connection header", _connection, weight=2),
)
