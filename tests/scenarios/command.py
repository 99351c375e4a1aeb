"""The command line: train one scenario as a script of one's own would be, list them, or verify them."""

import argparse
import sys

from tests.scenarios.catalogue import SCENARIOS
from tests.scenarios.verify import verify


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.scenarios", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="the scenario; with --verify any number of them")
    parser.add_argument("--fixed", action="store_true", help="train it with the remedy")
    parser.add_argument("--alpha", type=float, default=1.0, help="multiply the loss, change nothing else")
    parser.add_argument("--units", type=float, default=1.0, help="multiply the loss and all that has its units")
    parser.add_argument("--list", action="store_true", help="print the names and their causes")
    parser.add_argument("--verify", action="store_true", help="check that scenarios are what they say")
    parsed = parser.parse_args(argv)
    unknown = [name for name in parsed.names if name not in SCENARIOS]
    if unknown:
        parser.error(f"no scenario is called {', '.join(unknown)}; --list shows them")
    if not (parsed.list or parsed.verify or len(parsed.names) == 1):
        parser.error("name one scenario, or give --list or --verify")
    return parsed


def main(argv: list[str] | None = None) -> int:
    asked = arguments(argv)
    if asked.list:
        width = max(map(len, SCENARIOS))
        for name, scenario in SCENARIOS.items():
            print(f"{name:{width}} {scenario.cause}")
        return 0
    if asked.verify:
        failed = [name for name in asked.names or SCENARIOS if not verify(SCENARIOS[name])]
        return int(bool(failed))
    scenario = SCENARIOS[asked.names[0]]
    metric = scenario.metric(fixed=asked.fixed, alpha=asked.alpha, units=asked.units)
    print(f"{scenario.name}: metric {metric!r}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
