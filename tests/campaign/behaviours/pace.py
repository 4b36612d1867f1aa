"""Answers that are slow, never end, or end too early; and lengths that do not fit the body."""

from __future__ import annotations

from random import Random

from tests.campaign.behaviours.model import (
    Answer,
    Call,
    Draft,
    Family,
    Outcome,
    Reply,
    refused,
)
from tests.campaign.wire import End, Flood, Wait, Wire, answer, encode, head

_TIMEOUT = frozenset({"timeout"})
_CONNECT = frozenset({"connect"})


def _slow(random: Random, route: str) -> Draft:
    seconds = round(random.uniform(0.1, 1.5), 1)
    cuts = random.choice((0, 0, 3))

    def slow(call: Call) -> Reply:
        data = answer(encode(call.good))
        if not cuts:
            return Reply(Wire((Wait(seconds), data)), call.good)
        third = len(data) // 3
        parts = (data[:third], Wait(seconds / 2), data[third:-third], Wait(seconds / 2))
        return Reply(Wire((*parts, data[-third:])), call.good)

    return Draft(f"the honest answer after {seconds} s", slow, Outcome.TAKEN)


def _hang(random: Random, route: str) -> Draft:
    where = random.choice(("before the head", "in the head", "after the head", "in the body"))

    def hang(call: Call) -> Reply:
        data = answer(encode(call.good))
        body = len(encode(call.good))
        cut = {
            "before the head": 0,
            "in the head": 20,
            "after the head": len(data) - body,
            "in the body": len(data) - body // 2 - 1,
        }[where]
        return refused(Wire((data[:cut],), End.HANG))

    return Draft(f"silence {where}", hang, reasons=_TIMEOUT)


def _drip(random: Random, route: str) -> Draft:
    kind = random.choice(("body", "headers", "interim answers", "chunks"))
    pause = random.choice((0.2, 0.5, 1.0))
    first, part = {
        "body": (head(200, [("Content-Length", "100000")]), b" "),
        "headers": (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
        "interim answers": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"),
        "chunks": (head(200, [("Transfer-Encoding", "chunked")]), b"1\r\n \r\n"),
    }[kind]
    return Draft(
        f"{kind}, one each {pause} s, without end",
        lambda call: refused(Wire((first, Flood(part, pause)))),
        reasons=_TIMEOUT,
    )


def _endless(random: Random, route: str) -> Draft:
    form = random.choice(("to the close", "chunked", "length"))
    fill = random.choice((b" " * 65536, b"[" * 65536, b"\0" * 65536))
    headers = {
        "to the close": [],
        "chunked": [("Transfer-Encoding", "chunked")],
        "length": [("Content-Length", str(10**12))],
    }[form]
    part = b"10000\r\n" + fill + b"\r\n" if form == "chunked" else fill
    return Draft(
        f"a body without end, {form}",
        lambda call: refused(Wire((head(200, headers), Flood(part)))),
        reasons=frozenset({"too_large"}),
    )


def _cut(random: Random, route: str) -> Draft:
    where = random.choice(("at once", "in the status line", "in a header", "in the body", "late"))
    end = random.choice((End.CLOSE, End.RESET))

    def cut(call: Call) -> Reply:
        data = answer(encode(call.good))
        body = len(encode(call.good))
        length = {
            "at once": 0,
            "in the status line": 7,
            "in a header": 30,
            "in the body": len(data) - body // 2 - 1,
            "late": len(data) - 1,
        }[where]
        return refused(Wire((data[:length],), end))

    return Draft(f"{end.value} {where}", cut, reasons=_CONNECT)


def _cut_chunk(random: Random, route: str) -> Draft:
    tail = random.choice(
        (b"5\r\n[1,", b"zz\r\n", b"-1\r\n", b"F" * 17 + b"\r\n", b"\r\n", b"5 5\r\n")
    )

    def cut(call: Call) -> Reply:
        return refused(Wire((head(200, [("Transfer-Encoding", "chunked")]), tail), End.CLOSE))

    return Draft(f"a broken chunk {tail!r}", cut, reasons=_CONNECT)


def _unmarked_end(random: Random, route: str) -> Draft:
    if random.random() < 0.5:
        return Draft(
            "the honest answer up to the close",
            lambda call: Reply(Wire((head(200), encode(call.good)), End.CLOSE), call.good),
            Outcome.TAKEN,
        )
    return Draft(
        "half of an answer up to the close",
        lambda call: refused(
            Wire((head(200), encode(call.good)[: len(encode(call.good)) // 2]), End.CLOSE)
        ),
    )


def _length(random: Random, route: str) -> Draft:
    lies: dict[str, tuple[Answer, frozenset[str]]] = {
        "too short": (_length_answer(lambda n: [str(n // 2)]), frozenset({"schema"})),
        "too long": (_length_answer(lambda n: [str(n + 50)]), _CONNECT),
        "negative": (_length_answer(lambda n: ["-5"]), _CONNECT),
        "no number": (_length_answer(lambda n: ["many"]), _CONNECT),
        "two that differ": (_length_answer(lambda n: [str(n), str(n + 1)]), _CONNECT),
        "in hexadecimal": (_length_answer(lambda n: [hex(n)]), _CONNECT),
        "of 5,000 digits": (
            _length_answer(lambda n: ["9" * 5000]),
            frozenset({"connect", "schema"}),
        ),
    }
    name = random.choice(tuple(lies))
    lie, reasons = lies[name]
    return Draft(f"a length {name}", lie, reasons=reasons)


def _length_answer(lengths: object) -> Answer:
    def lie(call: Call) -> Reply:
        body = encode(call.good)
        values = lengths(len(body)) if callable(lengths) else []
        return refused(Wire((head(200, [("Content-Length", v) for v in values]), body), End.CLOSE))

    return lie


def _more_than_asked(random: Random, route: str) -> Draft:
    """A second answer on the same connection, which nobody asked for and none may take."""
    stray = random.choice(
        (
            answer(encode({"vcpu_hours": 9e9, "storage_mib": 9e9, "current_value_usd": 9e9})),
            answer(b"[]"),
            b"\0\xff" * 40,
            answer(b"{}", 500),
        )
    )
    return Draft(
        "another answer on the heels of the honest one",
        lambda call: Reply(Wire((answer(encode(call.good)) + stray,)), call.good),
        Outcome.TAKEN,
    )


def _chunks(random: Random, route: str) -> Draft:
    size = random.choice((1, 7, 4096))
    extension = random.choice((b"", b";a=b", b";" + b"x" * 2000))
    trailer = random.choice((b"", b"X-Trailer: 1\r\n"))

    def chunked(call: Call) -> Reply:
        body = encode(call.good)
        parts = [body[i : i + size] for i in range(0, len(body), size)]
        lines = [b"%x%b\r\n%b\r\n" % (len(part), extension, part) for part in parts]
        data = b"".join((*lines, b"0\r\n", trailer, b"\r\n"))
        return Reply(Wire((head(200, [("Transfer-Encoding", "chunked")]), data)), call.good)

    return Draft(f"the honest answer in chunks of {size}", chunked, Outcome.TAKEN)


FAMILIES = (
    Family("slow", _slow, weight=3),
    Family("silence", _hang, weight=2),
    Family("drip", _drip, weight=2),
    Family("endless body", _endless, weight=2),
    Family("cut", _cut, weight=4),
    Family("broken chunk", _cut_chunk, weight=2),
    Family("unmarked end", _unmarked_end, weight=2),
    Family("wrong length", _length, weight=3),
    Family("stray answer", _more_than_asked, weight=2),
    Family("chunked", _chunks, weight=2),
)
