from __future__ import annotations

import subprocess
import sys

from sandbox_exporter.simulator import ServedSimulator, Settings, Simulation
from sandbox_exporter.vendors.simulated import environment, stand_ins


def test_environment_is_what_the_exporter_starts_from() -> None:
    """The first account of each vendor."""
    simulation = Simulation(Settings(stand_ins()))
    assert environment(ServedSimulator("http://127.0.0.1:9842", simulation)) == (
        "SEACLOUD_API_KEY=sim-prod-key",
        "SEACLOUD_BASE_URL=http://127.0.0.1:9842/api/v1/sandbox",
        "SEACLOUD_PROJECT_ID=proj-prod",
        "DREADNODE_API_KEY=sim-research-key",
        "DREADNODE_SERVER=http://127.0.0.1:9842",
        "DREADNODE_ORGANIZATION=acme",
    )


def test_a_vendor_without_accounts_needs_no_environment() -> None:
    """Either vendor can be simulated alone."""
    simulation = Simulation(Settings(stand_ins(), accounts=()))
    assert environment(ServedSimulator("http://sim", simulation)) == ()


def test_the_exporter_runs_without_the_simulator() -> None:
    """Stand-ins are imported late: a daemon carries none of them."""
    program = (
        "import sys, sandbox_exporter.commands.run\n"
        "print([name for name in sys.modules if 'simulator' in name])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert ran.stdout.strip() == b"[]"
