"""`python -m tests.scenarios NAME`."""

import sys

from tests.scenarios.command import main

sys.exit(main())
