"""Who may know whom, where import-linter's contracts do not reach."""

import sys
from pathlib import Path

from tests.house.source import imported, trees

FRAMEWORKS = frozenset({"torch", "jax", "jaxlib", "optax", "keras", "tensorflow"})


def frameworks_named(house: Path) -> list[str]:
    """Imports of a framework outside the room of frameworks, in whatever way they are written."""
    return [
        f"{path}:{line}: {name}"
        for path, tree in trees(house)
        if path.relative_to(house).parts[0] != "frameworks"
        for name, line in imported(tree)
        if name.split(".")[0] in FRAMEWORKS
    ]


def beyond_standard_library(room: Path) -> list[str]:
    """Imports from a room that lead neither to the standard library nor to the room itself."""
    own = f"{room.parent.name}.{room.name}"
    return [
        f"{path}:{line}: {name}"
        for path, tree in trees(room)
        for name, line in imported(tree)
        if name.split(".")[0] not in sys.stdlib_module_names and name != own and not name.startswith(own + ".")
    ]


def door_used_inside(house: Path) -> list[str]:
    """Files of the house that import the package itself, which would load it from below."""
    return [
        f"{path}:{line}: {name}" for path, tree in trees(house) for name, line in imported(tree) if name == house.name
    ]


def rooms(house: Path) -> set[str]:
    """Folders and files directly in the house that hold code."""
    folders = {path.name for path in house.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    return folders | {path.stem for path in house.glob("*.py") if path.stem != "__init__"}


def hidden_names(house: Path, reexported: list[str]) -> set[str]:
    """Re-exported names that are also rooms: importing the room would put it in the place of the name."""
    return rooms(house) & set(reexported)


def rooms_without_tests(house: Path, tests: Path) -> set[str]:
    """Rooms for which there is neither a folder of tests nor a test file."""
    folders = {path.parent.relative_to(tests).parts[0] for path in tests.glob("*/**/test_*.py")}
    return rooms(house) - folders - {path.stem.removeprefix("test_") for path in tests.glob("test_*.py")}
