from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox_exporter.simulator import ServedSimulator, Settings, serve
from sandbox_exporter.vendors.dreadnode.simulator import Organization
from sandbox_exporter.vendors.simulated import environment, stand_ins

_ROOT = Path(__file__).parents[2]
_REQUIREMENTS = _ROOT / "tests" / "fixtures" / "vendor-clients.txt"
_VENV = _ROOT / ".venv-vendors"

_DREADNODE = """
import json, os
from dreadnode.app.api.client import ApiClient, AuthenticationError
organization = os.environ["DREADNODE_ORGANIZATION"]
server = os.environ["DREADNODE_SERVER"]
usages = [
    ApiClient(base, api_key=os.environ["DREADNODE_API_KEY"]).get_sandbox_usage(organization)
    for base in (server, server + "/api/v1")
]
try:
    ApiClient(server, api_key="wrong").get_sandbox_usage(organization)
    refusal = ""
except AuthenticationError as error:
    refusal = str(error)
print(json.dumps({"usages": usages, "refusal": refusal}))
"""

_SEACLOUD = """
import json, os
from sandbox.build import BuildService, ListTemplatesParams
from sandbox.core.exceptions import APIError
project = os.environ["SEACLOUD_PROJECT_ID"]
base = os.environ["SEACLOUD_BASE_URL"]
service = BuildService(base_url=base, project_id=project)
pages = [
    service.list_templates(ListTemplatesParams(limit=5, offset=offset)) for offset in (0, 5, 10)
]
try:
    BuildService(base_url=base, api_key="wrong").list_templates()
    refusal = []
except APIError as error:
    refusal = [error.kind, str(error), bool(error.request_id)]
print(json.dumps({"every": service.list_templates(), "pages": pages, "refusal": refusal}))
"""


@pytest.fixture(scope="session")
def vendor_python() -> Path:
    """An interpreter that has the vendors' clients, installed again only when the pins change."""
    wanted = hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()
    stamp, python = _VENV / "requirements.sha256", _VENV / "bin" / "python"
    _VENV.mkdir(exist_ok=True)
    with (_VENV / "lock").open("w") as lock:
        # Another worker of the same run may want it too.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            stamp.unlink(missing_ok=True)
            for folder in ("bin", "include", "lib"):
                shutil.rmtree(_VENV / folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", _VENV], check=True)
            install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            install += ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
            subprocess.run([python, *install, "-r", _REQUIREMENTS], check=True)
            stamp.write_text(wanted)
    return python


def run_client(python: Path, program: str) -> tuple[Any, ServedSimulator]:
    """What a program on a vendor's client prints, in the environment that the simulator names."""

    async def run() -> tuple[Any, ServedSimulator]:
        async with serve(Settings(stand_ins()), port=0) as served:
            process = await asyncio.create_subprocess_exec(
                python,
                "-c",
                program,
                env={**os.environ, **dict(line.split("=", 1) for line in environment(served))},
                stdout=asyncio.subprocess.PIPE,
            )
            output, _ = await process.communicate()
            assert process.returncode == 0
            return json.loads(output), served

    return asyncio.run(run())


def test_dreadnode_client_reads_the_usage(vendor_python: Path) -> None:
    """`ApiClient.get_sandbox_usage`, from the root and from the API's address."""
    answer, served = run_client(vendor_python, _DREADNODE)
    organization = served.simulation.worlds["research"]
    assert isinstance(organization, Organization)
    now = served.simulation.clock.now_ms
    for usage in answer["usages"]:
        assert set(usage) == {"current_month_seconds", "sessions_count", "total_runtime_seconds"}
        assert 0 < usage["total_runtime_seconds"] <= organization.lifetime_ms(now) // 1000
        assert 0 < usage["sessions_count"] <= organization.sessions(now)
    assert answer["refusal"] == "401: Authentication failed"


def test_seacloud_client_lists_the_templates(vendor_python: Path) -> None:
    """All at once and page by page; a refusal is one that the client understands."""
    answer, served = run_client(vendor_python, _SEACLOUD)
    fleet = served.simulation.fleets["prod"]
    listed = fleet.listed(served.simulation.clock.now_ms)
    ids = [history.template.id for history in listed]
    assert [item["templateID"] for item in answer["every"]] == ids
    assert [item["templateID"] for page in answer["pages"] for item in page] == ids
    assert answer["refusal"] == ["authentication", "a valid API key is required", True]
