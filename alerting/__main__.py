"""`python -m alerting`: writes the rule files."""

from __future__ import annotations

from pathlib import Path

from alerting.files import generated
from alerting.thresholds import Thresholds

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Writes every generated file into the repository."""
    for name, text in generated(Thresholds()).items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
