from __future__ import annotations

from sandbox_exporter.simulator import Settings, environment


def test_environment_is_what_the_exporter_starts_from() -> None:
    """The first account of each vendor."""
    assert environment(Settings(), "http://127.0.0.1:9842") == (
        "SEACLOUD_API_KEY=sim-prod-key",
        "SEACLOUD_BASE_URL=http://127.0.0.1:9842/api/v1/sandbox",
        "SEACLOUD_PROJECT_ID=proj-prod",
        "DREADNODE_API_KEY=sim-research-key",
        "DREADNODE_SERVER=http://127.0.0.1:9842",
        "DREADNODE_ORGANIZATION=acme",
    )


def test_a_vendor_without_accounts_needs_no_environment() -> None:
    """Either vendor can be simulated alone."""
    assert environment(Settings(seacloud=(), dreadnode=()), "http://sim") == ()
