"""How long files and functions are."""

from pathlib import Path
from statistics import median

from tests.house.source import Function, functions, python_files, trees


def long_files(root: Path, limit: int = 300) -> list[str]:
    lengths = ((path, len(path.read_text(encoding="utf-8").splitlines())) for path in python_files(root))
    return [f"{path}: {length} lines, at most {limit}" for path, length in lengths if length > limit]


def long_functions(root: Path, limit: int = 50) -> list[str]:
    return [
        f"{path}:{node.lineno}: {node.name} has {span(node)} lines, at most {limit}"
        for path, tree in trees(root)
        for node in functions(tree)
        if span(node) > limit
    ]


def median_file(root: Path) -> float:
    """The median length of the files that hold code; an `__init__.py` may be one line."""
    files = [path for path in python_files(root) if path.name != "__init__.py"]
    return median(len(path.read_text(encoding="utf-8").splitlines()) for path in files)


def median_function(root: Path) -> float:
    """The median length of the functions, docstrings not counted."""
    return median(span(node) - documentation(node) for _, tree in trees(root) for node in functions(tree))


def span(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def documentation(node: Function) -> int:
    first = node.body[0]
    text = getattr(getattr(first, "value", None), "value", None)
    return (first.end_lineno or first.lineno) - first.lineno + 1 if isinstance(text, str) else 0
