"""Python files as syntax trees: what the checks of the house walk over. A trespass is one line of text."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOUSE = ROOT / "src" / "lossgauge"

Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*.py") if "__pycache__" not in path.parts)


def trees(root: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in python_files(root):
        yield path, ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Absolute names of imported modules, those loaded through a call with a constant name included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, node.lineno
        elif isinstance(node, ast.Call) and _called(node) in {"import_module", "__import__", "find_spec"}:
            constants = (argument for argument in node.args[:1] if isinstance(argument, ast.Constant))
            yield from ((str(constant.value), node.lineno) for constant in constants)


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
