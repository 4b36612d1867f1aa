"""`python -m sandbox_exporter`."""

from __future__ import annotations

import sys

from sandbox_exporter.commands.cli import main

sys.exit(main())
