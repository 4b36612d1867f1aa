from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from sandbox_exporter import logs
from sandbox_exporter.secret import Secret

log = logging.getLogger("sandbox_exporter.poll")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root, package = logging.getLogger(), logging.getLogger("sandbox_exporter")
    before = (root.handlers[:], root.level, package.level)
    yield
    root.handlers[:], level, package_level = before
    root.setLevel(level)
    package.setLevel(package_level)


def test_logfmt_quotes_only_what_needs_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Time, level, logger, message, then the call's own fields; empty ones are left out."""
    logs.configure("info", "logfmt")
    extra = {"account": "prod", "status": 0, "error": 'say "hi"\nagain', "request_id": ""}
    log.warning("poll failed", extra=extra | {"code": None, "path": "a\\b", "eq": "a=b"})
    line = capsys.readouterr().err
    assert line[:3] == "ts="
    assert line.split(" ", 1)[1] == (
        'level=warn logger=sandbox_exporter.poll msg="poll failed" account=prod status=0 '
        'error="say \\"hi\\"\\nagain" path="a\\\\b" eq="a=b"\n'
    )


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers stay numbers, and text stays readable."""
    logs.configure("info", "json")
    log.info("gelöst", extra={"status": 200, "path": object})
    fields = json.loads(capsys.readouterr().err)
    assert fields.pop("ts").endswith("Z")
    assert fields == {
        "level": "info",
        "logger": "sandbox_exporter.poll",
        "msg": "gelöst",
        "status": 200,
        "path": "<class 'object'>",
    }


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", ["debug", "info", "warn", "error"]),
        ("info", ["info", "warn", "error"]),
        ("warn", ["warn", "error"]),
        ("error", ["error"]),
    ],
)
def test_levels(capsys: pytest.CaptureFixture[str], level: str, shown: list[str]) -> None:
    """Lines below the level are left out; other packages are heard from warnings on."""
    logs.configure(level, "json")
    for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        log.log(number, "line")
    logging.getLogger("httpx").info("too much")
    lines = [json.loads(line)["level"] for line in capsys.readouterr().err.splitlines()]
    assert lines == shown


def test_a_fault_is_logged_with_its_traceback_on_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Log collectors split at line ends."""
    logs.configure("info", "logfmt")
    try:
        raise RuntimeError("a fault")
    except RuntimeError:
        log.exception("poll ended by a fault")
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "RuntimeError: a fault" in line


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_a_secret_is_not_shown(capsys: pytest.CaptureFixture[str], form: logs.Format) -> None:
    """Not even when it is logged by mistake."""
    logs.configure("info", form)
    secret = Secret("made-up-key")
    log.info("key %s", secret, extra={"key": secret})
    line = capsys.readouterr().err
    assert "***" in line
    assert "made-up-key" not in line
