"""`python -m msb` is `msb`."""

from __future__ import annotations

import sys

from msb.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
