"""Evidence measured once for all tests of this room."""

from collections.abc import Iterator

import pytest

from lossgauge.frameworks.torch.demonstrations.training import one_thread


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield
