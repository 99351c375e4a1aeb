"""Settings that hold for every test; set before anything imports a framework."""

import os

from hypothesis import settings

# The test processes share the cores already; child processes inherit this.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

# The same examples on every run and no deadline: a shared machine can be slow, and that is not a failure.
settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")
