from __future__ import annotations

from pathlib import Path

import pytest

from sandbox_exporter.commands import cli

SECRET = "sk-very-secret"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One account of each vendor; nothing listens where they are said to be."""
    monkeypatch.setenv("KEY", SECRET)
    path = tmp_path / "config.yml"
    path.write_text(
        "accounts:\n"
        "  - {name: prod, provider: seacloud, base_url: 'http://127.0.0.1:9', "
        "api_key: {env: KEY}}\n"
        "  - {name: research, provider: dreadnode, organization: acme, "
        "base_url: 'http://127.0.0.1:9', api_key: {env: KEY}}\n"
    )
    return path


def _run(config: Path, *more: str) -> int:
    output = str(config.with_name("out.om"))
    arguments = ["--config.file", str(config), "--output", output, "--from", "2025-03-01", *more]
    return cli.main(["backfill", "--log.level", "error", *arguments])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--account", "other"], "--account: other is not configured, there are prod, research\n"),
        (["--to", "2025-02-01"], "--from: must be before --to, a minute at least\n"),
        (["--output", "/no/such/folder/out"], "--output: must be a file in a folder that exists\n"),
        (["--output", "/"], "--output: must be a file in a folder that exists\n"),
    ],
)
def test_mistakes_are_named(
    config: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    """One line with the flag and what is allowed, and nothing is begun."""
    assert _run(config, *more) == 1
    assert capsys.readouterr().err == message
    assert list(config.parent.iterdir()) == [config]


def test_vendors_without_history_are_said_to_have_none(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dreadnode tells only of now."""
    assert _run(config, "--account", "research", "--to", "2025-03-02") == 1
    said = capsys.readouterr()
    assert said.out == "research: dreadnode keeps no history\n"
    assert said.err == "backfill: no account whose vendor keeps a history\n"


def test_failures_end_with_one_line(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It names the account and the cause, and shows no secret."""
    assert _run(config, "--account", "prod", "--to", "2025-03-02") == 1
    said = capsys.readouterr()
    assert said.err.startswith("backfill: prod: cannot connect to 127.0.0.1:9")
    assert said.err.count("\n") == 1
    assert SECRET not in said.out + said.err
    assert list(config.parent.iterdir()) == [config]
