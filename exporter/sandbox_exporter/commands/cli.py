"""The command line: which command, its flags, and how mistakes are told."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from sandbox_exporter import __version__, logs
from sandbox_exporter.errors import ConfigError
from sandbox_exporter.web.listen import parse_address

DEFAULT_ADDRESS = "0.0.0.0:9841"
_SIMULATOR_ADDRESS = "127.0.0.1:9842"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; the exit status is 1 for mistakes of the user, 2 for a wrong command line."""
    options = _parser().parse_args(arguments)
    logs.configure(options.log_level, options.log_format)
    # Imported late, so that no command waits for the others' imports.
    command = importlib.import_module(f"sandbox_exporter.commands.{options.command}")
    try:
        status = command.main(options)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"sandbox-exporter: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return int(status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sandbox-exporter",
        description="Prometheus metrics from what agent-sandbox vendors bill.",
    )
    parser.add_argument("--version", action="version", version=f"sandbox-exporter {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="poll the configured accounts and serve their metrics")
    _add_config(run)
    _add_web(run, "0.0.0.0:9841")
    run.add_argument(
        "--web.config.file",
        dest="web_config_file",
        type=_path,
        metavar="PATH",
        help="TLS, basic auth and headers, in the format of the Prometheus exporter-toolkit",
    )
    run.add_argument(
        "--web.metrics",
        dest="metrics_for",
        default="all",
        choices=("all", "loopback", "none"),
        help="who may read /metrics: all, clients on this machine, or none where OTLP is enough",
    )
    run.add_argument(
        "--web.enable-lifecycle",
        dest="lifecycle",
        action="store_true",
        help="allow POST /-/reload",
    )

    check = commands.add_parser(
        "check", help="validate a configuration and predict its API calls per hour"
    )
    _add_config(check)

    once = commands.add_parser("once", help="poll once and print the metrics")
    _add_config(once)

    backfill = commands.add_parser(
        "backfill", help="write the vendor's history as an OpenMetrics file for promtool"
    )
    _add_config(backfill)
    _add_backfill(backfill)

    demo = commands.add_parser("demo", help="run the simulator and the exporter on it")
    _add_web(demo, "127.0.0.1:9841")

    simulate = commands.add_parser("simulate", help="run only the simulator of the vendors")
    simulate.add_argument(
        "--listen",
        default="127.0.0.1:9842",
        type=_address,
        metavar="HOST:PORT",
        help="default %(default)s",
    )
    simulate.add_argument("--seed", type=int, default=1, help="which fleet; default %(default)s")
    simulate.add_argument(
        "--templates", type=int, default=12, metavar="N", help="default %(default)s"
    )
    assets = commands.add_parser(
        "assets", help="write dashboards, alerting rules and provisioning into a folder"
    )
    assets.add_argument("--output", required=True, metavar="DIR", help="the folder")

    for command in commands.choices.values():
        _add_log(command)
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config.file",
        dest="config_file",
        type=_path,
        metavar="PATH",
        help="without it, the environment variables of the vendors' own clients are used",
    )


def _add_web(parser: argparse.ArgumentParser, address: str) -> None:
    parser.add_argument(
        "--web.listen-address",
        dest="listen",
        default=address,
        type=_address,
        metavar="HOST:PORT",
        help="default %(default)s",
    )


def _path(text: str) -> str:
    """An empty variable in a start script is no wish for a server without passwords."""
    if not text:
        raise argparse.ArgumentTypeError("is empty, allowed: a path; or leave the flag out")
    return text


def _address(text: str) -> str:
    try:
        parse_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _add_backfill(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from",
        dest="start",
        required=True,
        metavar="TIME",
        help="2026-01-31, 2026-01-31T12:00 (UTC without a zone), or 31d for so long before now",
    )
    parser.add_argument(
        "--to", dest="end", metavar="TIME", help="likewise; must not be after the first live sample"
    )
    parser.add_argument(
        "--account",
        dest="accounts",
        action="append",
        metavar="NAME",
        help="only this account; may be repeated",
    )
    parser.add_argument(
        "--resolution",
        default="auto",
        choices=("auto", "minute", "hour", "day"),
        help="auto: minute if its calls fit into an hour, else day",
    )
    parser.add_argument("--output", required=True, metavar="FILE", help="the OpenMetrics file")


def _add_log(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--log.level", dest="log_level", default="info", choices=logs.LEVELS, help="default info"
    )
    parser.add_argument(
        "--log.format",
        dest="log_format",
        default="logfmt",
        choices=("logfmt", "json"),
        help="default logfmt",
    )
