"""The program `lossgauge`: its commands, and one clear line for everything that goes wrong.

Exit codes: 0 done; 1 a fault, or a verdict BROKEN or UNDECIDED; 2 bad usage or input; 3 the user's own script failed.
"""

import inspect
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Annotated, Any

import typer

from lossgauge.errors import LossgaugeError, ScriptError

COMMANDS = (
    "explain",
    "run",
    "diagnose",
    "report",
    "discover",
    "prove",
    "why",
    "compare",
    "sweep",
    "rescale",
    "thread",
    "rules",
    "rule",
    "laws",
)
"""In the order of the help; `cli/<name>.py` holds `<name>_command`."""

_CONTEXTS = {
    "prove": {"ignore_unknown_options": True},  # options it does not know are handed to the user's script
    "why": {"ignore_unknown_options": True},
    "run": {"allow_interspersed_args": False},  # what follows the script is the script's
}
"""How the arguments of a command are read, where that is not as usual."""

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and leave with its exit code.

    Args:
        arguments: The arguments after the program's name; by default those it was started with.

    Raises:
        SystemExit: Always.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # α must not end a program where the terminal has no such letter
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command line.

    Args:
        arguments: The arguments after the program's name.

    Returns:
        The exit code.
    """
    try:
        return int(app(list(arguments), prog_name="lossgauge", standalone_mode=False) or 0)
    except ScriptError as error:
        from lossgauge.trainings.failure import traceback_of

        print(traceback_of(error), end="", file=sys.stderr)
        return _complain(str(error), error.exit_code)
    except LossgaugeError as error:
        return _complain(str(error), error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        return _complain("interrupted", 130)
    except BrokenPipeError:
        # Whoever read our output has left, `head` for example; Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        # Usage errors: their class lies in another package from one version of typer to the next.
        say = getattr(error, "format_message", None)
        if say is None:
            raise
        return _complain(f"{say().rstrip('.')}; see lossgauge --help", 2)


def describe(command: Callable[..., Any]) -> str:
    """The help of a command: its docstring up to the arguments, with the lines of its examples kept apart.

    Args:
        command: A function with a Google-style docstring.

    Returns:
        Text for typer.
    """
    text = re.split(r"\n(?:Args|Returns|Raises):\n", inspect.getdoc(command) or "")[0].strip()
    prose, *rest = re.split(r"\n+Examples?:\n", text, maxsplit=1)
    prose = re.sub(r"(?<!\n)\n(?!\n)", " ", prose)
    lines = [f"$ {line.strip()}" for line in "".join(rest).splitlines() if line.strip()]
    return prose + ("\n\n\b\n" + "\n".join(lines) if lines else "")


def _complain(message: str, code: int) -> int:
    print("lossgauge: " + " ".join(message.split()), file=sys.stderr)
    return code


def _start(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """What does multiplying my loss by a constant do to my training, why, and what do I change?

    Example:
        lossgauge explain nadam --alpha 1e5
        lossgauge COMMAND --help

    Raises:
        Exit: After the version was printed.
    """
    if version:
        print(f"lossgauge {_read_version()}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


def _read_version() -> str:
    from importlib.metadata import version

    return version("lossgauge")


def _register() -> None:
    app.callback(invoke_without_command=True, help=describe(_start))(_start)
    for name in COMMANDS:
        command = getattr(import_module(f"lossgauge.cli.{name}"), f"{name}_command")
        app.command(name, help=describe(command), context_settings=_CONTEXTS.get(name))(command)


_register()
