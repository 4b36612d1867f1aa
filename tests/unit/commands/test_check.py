from __future__ import annotations

from pathlib import Path

import pytest

from sandbox_exporter.commands.cli import main

CONFIG = """\
accounts:
  - name: prod
    provider: seacloud
    api_key: {env: VENDOR_KEY}
"""
DREADNODE = """\
  - name: research
    provider: dreadnode
    organization: acme
    api_key: {env: VENDOR_KEY}
    poll_interval: 10s
"""


def check(tmp_path: Path, config: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit status of a check."""
    monkeypatch.setenv("VENDOR_KEY", "made-up-key")
    (tmp_path / "config.yml").write_text(config)
    return main(["check", "--config.file", str(tmp_path / "config.yml")])


@pytest.mark.parametrize(
    ("more", "prediction"),
    [
        (
            "",
            (
                "241 to 7200 API calls per hour, depending on how many templates there are and "
                "how many are in use"
            ),
        ),
        ("    templates: none\n", "181 API calls per hour"),
        (
            "    templates: [a, b]\n",
            "189 to 301 API calls per hour, depending on how many are in use",
        ),
    ],
)
def test_the_calls_of_each_account_are_predicted(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    more: str,
    prediction: str,
) -> None:
    """A line for each account, and no call is made."""
    assert check(tmp_path, CONFIG + more + DREADNODE, monkeypatch) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"prod (seacloud): {prediction}",
        "research (dreadnode): 360 API calls per hour",
    ]


def test_a_limit_that_is_too_low_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The account's own questions alone would not fit."""
    assert check(tmp_path, f"{CONFIG}    max_requests_per_minute: 4\n", monkeypatch) == 0
    assert capsys.readouterr().out == (
        "prod (seacloud): 241 API calls per hour without any template, but "
        "max_requests_per_minute allows 240: some polls will fail, raise it or poll_interval\n"
    )


def test_every_mistake_has_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """File and line, path, what is wrong, what is allowed."""
    assert check(tmp_path, CONFIG + "    colour: red\nstale_after: soon\n", monkeypatch) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert any(":5: accounts[0].colour: " in line for line in lines), lines
    assert any(":6: stale_after: " in line for line in lines), lines


def test_a_bad_proxy_variable_is_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is only seen by using it, and told as clearly as the rest."""
    monkeypatch.setenv("https_proxy", "gopher://user:made-up-password@127.0.0.1")
    assert check(tmp_path, CONFIG, monkeypatch) == 1
    assert capsys.readouterr().err == (
        "account prod: the proxy variable for https is no http:// URL\n"
    )
