"""`python tests/scenarios/run.py NAME`: a plain script, from whatever folder it is started."""

import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from tests.scenarios.command import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
