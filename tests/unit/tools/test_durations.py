"""The costs of tests are read from pytest's own file, and compared."""

from __future__ import annotations

from pathlib import Path

from tools.durations import by_file, changes, costs, table

RUN = """<testsuites><testsuite>
<testcase classname="tests.unit.test_a" name="test_one[x]" time="2.0">
  <properties><property name="cpu" value="0.5"/><property name="other" value="9"/></properties>
</testcase>
<testcase classname="tests.unit.test_a" name="test_two" time="1.0">
  <properties><property name="cpu" value="{cpu}"/></properties>
</testcase>
<testcase classname="tests.unit.test_b" name="test_three" time="0.5"/>
</testsuite></testsuites>
"""


def test_costs_are_summed_by_file_and_compared(tmp_path: Path) -> None:
    now, before = tmp_path / "now.xml", tmp_path / "before.xml"
    now.write_text(RUN.format(cpu="0.25"))
    before.write_text(RUN.format(cpu="4.25"))
    files = by_file(costs(now))
    assert (files["tests/unit/test_a.py"].cpu, files["tests/unit/test_a.py"].tests) == (0.75, 2)
    assert list(table(files, 1)) == [
        "   CPU s  clock s  tests",
        "     0.8      3.0      2  tests/unit/test_a.py",
        "     0.8      3.5      3  in all",
    ]
    assert list(changes(files, by_file(costs(before)), 1)) == [
        "  before      now   change  (CPU s)",
        "     4.8      0.8     -4.0  tests/unit/test_a.py",
        "     4.8      0.8     -4.0  in all",
    ]
    assert "tests/unit/test_a.py::test_one[x]" in costs(now)
