"""Names and docstrings."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.house.source import Function, trees

FORBIDDEN = frozenset({"util", "utils", "utility", "utilities", "helper", "helpers", "manager", "managers", "misc"})

Documented = ast.Module | ast.ClassDef | Function


def empty_words(root: Path) -> list[str]:
    """Files, folders, classes and functions whose name contains a word that says nothing."""
    trespasses: list[str] = []
    for path, tree in trees(root):
        places = [part.removesuffix(".py") for part in path.relative_to(root).parts]
        names = [(name, 1) for name in places]
        names += [(node.name, node.lineno) for node in ast.walk(tree) if isinstance(node, ast.ClassDef | Function)]
        trespasses += [f"{path}:{line}: {name}" for name, line in names if FORBIDDEN & set(split(name))]
    return trespasses


def split(name: str) -> list[str]:
    """The words of a name.

    >>> split("_GradientManager_of_utils2")
    ['gradient', 'manager', 'of', 'utils']
    """
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def undocumented(root: Path) -> list[str]:
    """Modules and public classes, functions and methods without a docstring."""
    return [
        f"{path}:{getattr(node, 'lineno', 1)}: {getattr(node, 'name', 'the module')} has no docstring"
        for path, tree in trees(root)
        for node in public(tree)
        if not ast.get_docstring(node)
    ]


def public(node: Documented) -> Iterator[Documented]:
    """The node and the public names defined in it; what a function defines inside itself is its own affair."""
    yield node
    for child in [] if isinstance(node, Function) else definitions(node.body):
        if not child.name.startswith("_") and not overload(child):
            yield from public(child)


def definitions(body: list[ast.stmt]) -> Iterator[ast.ClassDef | Function]:
    """Classes and functions, those under an `if` or a `try` included."""
    for node in body:
        if isinstance(node, ast.ClassDef | Function):
            yield node
        elif isinstance(node, ast.If | ast.Try):
            yield from definitions([*node.body, *node.orelse])


def overload(node: ast.ClassDef | Function) -> bool:
    return any(ast.unparse(decorator).split(".")[-1] == "overload" for decorator in node.decorator_list)
