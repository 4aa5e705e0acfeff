"""`python -m infra.local up|down|run|demo|status|bench-env`: the local cloud from the command line."""

from __future__ import annotations

import sys

from infra.local.commands import main

if __name__ == "__main__":
    sys.exit(main())
