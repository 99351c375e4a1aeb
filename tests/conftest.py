"""Settings that hold for every test; set before anything imports a framework."""

import os
import signal
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

# The test processes share the cores already; child processes inherit this.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

# What a shell starts in the background ignores Ctrl-C, and so would every child of the tests.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples on every run and no deadline: a shared machine can be slow, and that is not a failure.
settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")


@pytest.fixture(autouse=True)
def forget_modules_written_by_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What one test wrote and loaded as a module must not be there for the next one under the same name."""
    yield
    written = str(tmp_path_factory.getbasetemp())
    sys.path[:] = [place for place in sys.path if not place.startswith(written)]
    files = {name: getattr(module, "__dict__", {}).get("__file__") for name, module in list(sys.modules.items())}
    for name in [name for name, file in files.items() if isinstance(file, str) and file.startswith(written)]:
        del sys.modules[name]
