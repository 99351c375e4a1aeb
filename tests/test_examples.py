"""The examples do what their first lines say."""

import re
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def error_of(*arguments: str) -> float:
    command = [sys.executable, str(EXAMPLES / "small_loss_nadam.py"), "--steps", "500", *arguments]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"steps: ([\d.]+)", said)
    assert found is not None, said
    return float(found[1])


def test_the_askers_training_is_cured_by_the_factor_and_by_epsilon_and_by_nothing_else() -> None:
    assert error_of() > 0.9
    assert error_of("--multiply", "1e5") < 0.05
    assert error_of("--eps", "1e-13") < 0.05
    assert error_of("--lr", "2e-2") > 0.9
