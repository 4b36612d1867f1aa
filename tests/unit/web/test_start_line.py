"""The first line that the real command logs about its server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

USERS = "basic_auth_users:\n  alice: $2y$04$WvQ0xhmNYhDJfdJ3s4KCnutpqCeZK2nOkqk0WTdKQW7/CvPkLCtJu\n"
CLIENTS = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: authority.crt\n"


@pytest.mark.parametrize(
    ("web_config", "said"),
    [
        ("", "tls=off authentication=off"),
        ("{users}", "tls=off authentication=passwords"),
        ("{tls}", "tls=on authentication=off"),
        ("{tls}{clients}{users}", "tls=on authentication=certificates+passwords"),
    ],
)
def test_what_is_on_is_said_at_the_start(
    tmp_path: Path, server_files: str, web_config: str, said: str
) -> None:
    """Who reads the log knows whether the server is open."""
    command = [sys.executable, "-m", "sandbox_exporter", "run", "--web.listen-address=127.0.0.1:0"]
    if web_config:
        file = tmp_path / "web.yml"
        file.write_text(web_config.format(tls=server_files, clients=CLIENTS, users=USERS))
        command += ["--web.config.file", str(file)]
    vendor = {"SEACLOUD_API_KEY": "made-up", "SEACLOUD_BASE_URL": "http://127.0.0.1:9"}
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | vendor,
    ) as process:
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if "msg=serving" in line:
                break
        process.terminate()
        process.communicate()
    assert f" {said}\n" in lines[-1], lines
