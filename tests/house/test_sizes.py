from pathlib import Path

from tests.house.sizes import long_files, long_functions, median_file, median_function
from tests.house.source import HOUSE, ROOT


def test_no_file_is_longer_than_300_lines():
    assert not long_files(HOUSE)
    assert not long_files(ROOT / "tests")


def test_no_function_is_longer_than_50_lines():
    assert not long_functions(HOUSE)


def test_half_of_the_files_and_functions_are_short():
    assert median_file(HOUSE) <= 150
    assert median_function(HOUSE) <= 10


def test_a_long_file_is_caught(tmp_path: Path):
    (tmp_path / "fits.py").write_text("x = 1\n" * 300)
    (tmp_path / "long.py").write_text("x = 1\n" * 301)
    assert [line.split(":")[0] for line in long_files(tmp_path)] == [str(tmp_path / "long.py")]


def test_a_long_function_is_caught_wherever_it_hides(tmp_path: Path):
    body = "        x = 1\n"
    fits = "class Outer:\n    def fits(self):\n" + body * 49
    long = "class Outer:\n    async def long(self):\n" + body * 50
    (tmp_path / "planted.py").write_text(fits + long)
    assert len(long_functions(tmp_path)) == 1
    assert "long has 51 lines" in long_functions(tmp_path)[0]


def test_the_medians_count_lines_of_code(tmp_path: Path):
    (tmp_path / "__init__.py").write_text('"""Not counted."""\n')
    (tmp_path / "planted.py").write_text('def f():\n    """One.\n\n    Two.\n    """\n    return 1\n')
    assert median_file(tmp_path) == 6
    assert median_function(tmp_path) == 2
