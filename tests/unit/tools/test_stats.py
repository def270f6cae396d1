"""The figures about the sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import stats

SOURCE = '''"""A module."""


def short() -> None:
    try:
        pass
    except Exception:
        pass
    except (ValueError, BaseException):
        pass
    except OSError:
        pass


class Thing:
    async def longest(self) -> None:

        def inner() -> None:
            pass

        try:
            inner()
        except:
            pass

        inner()

        inner()
'''


def test_files_functions_and_broad_excepts_are_counted(tmp_path: Path) -> None:
    package = tmp_path / "example" / "part"
    package.mkdir(parents=True)
    (package / "module.py").write_text(SOURCE, encoding="utf-8")
    (file,) = stats.measure(tmp_path)
    assert file.size == stats.Measured(28, "example/part/module.py")
    assert file.package == "example/part"
    assert {each.where.rpartition(":")[2]: each.lines for each in file.functions} == {
        "short": 9,
        "longest": 13,
        "inner": 2,
    }
    assert file.broad_excepts == 3
    lines = list(stats.report([file]))
    assert lines[2].endswith("13  example/part/module.py:longest")
    assert lines[3] == "broad excepts: 3 in 28 lines, 107.14 per 1,000"


@pytest.mark.parametrize(
    ("percent", "expected"), [(50, 5), (90, 9), (99, 10), (100, 10), (0, 1), (1, 1)]
)
def test_percentiles(percent: int, expected: int) -> None:
    assert stats.percentile(range(1, 11), percent) == expected


def test_of_nothing_the_figures_are_zero() -> None:
    assert "0.00 per 1,000" in "\n".join(stats.report([]))
