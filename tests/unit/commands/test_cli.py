from __future__ import annotations

import argparse
import socket
from pathlib import Path

import pytest

from sandbox_exporter import __version__
from sandbox_exporter.commands import once
from sandbox_exporter.commands.cli import main


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing else is done."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"sandbox-exporter {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["dance"], ["run", "--log.level", "loud"], ["run", "x"]])
def test_a_wrong_command_line_is_exit_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """With the usage on standard error."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: sandbox-exporter" in capsys.readouterr().err


def test_the_flags_of_the_daemon_are_those_of_other_exporters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Users know them."""
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    help_text = capsys.readouterr().out
    for flag in (
        "--config.file",
        "--web.listen-address",
        "--web.config.file",
        "--web.enable-lifecycle",
        "--log.level {debug,info,warn,error}",
        "--log.format {logfmt,json}",
    ):
        assert flag in help_text


@pytest.mark.parametrize("command", ["run", "once", "check"])
def test_without_a_configuration_the_environment_is_told_of(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that says what to set, and exit status 1."""
    for name in ("SEACLOUD_API_KEY", "DREADNODE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert main([command]) == 1
    err = capsys.readouterr().err
    assert err.startswith("no account is configured: set SEACLOUD_API_KEY")
    assert err.count("\n") == 1


def test_a_port_in_use_is_one_clear_line(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback, exit status 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        arguments = ["run", "--config.file", str(config_file), "--web.listen-address", address]
        assert main(arguments) == 1
    err = capsys.readouterr().err
    assert address in err
    assert err.count("\n") == 1


def test_ctrl_c_is_exit_status_130(monkeypatch: pytest.MonkeyPatch) -> None:
    """As shells have it."""

    def interrupted(_options: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(once, "main", interrupted)
    assert main(["once"]) == 130


@pytest.mark.parametrize("flag", ["--web.config.file", "--config.file"])
def test_an_empty_path_is_a_mistake(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An unset variable in a start script must not open the server."""
    with pytest.raises(SystemExit) as ended:
        main(["run", f"{flag}="])
    assert ended.value.code == 2
    assert f"{flag}: is empty, allowed: a path" in capsys.readouterr().err
