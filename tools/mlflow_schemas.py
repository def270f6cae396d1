"""Makes the table of the schemas of MLflow's versions from their wheels.

``python -m tools.mlflow_schemas FOLDER`` reads the wheels in a folder, where ``pip download
--no-deps mlflow==VERSION`` puts them, and writes ``headgate.deploy.mlflow.schemas``.
"""

from __future__ import annotations

import ast
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from headgate.deploy.mlflow.interpreter import in_order

TABLE: Final = Path(__file__).parents[1] / "src/headgate/deploy/mlflow/schemas.py"
_VERSIONS: Final = "mlflow/store/db_migrations/versions/"
_HEAD: Final = '''"""The schemas of MLflow's versions.

Made by ``python -m tools.mlflow_schemas``, not by hand.  Where a version is installed it is asked
itself; this is for hosts that have it in an image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from headgate.deploy.mlflow.errors import NoSuchVersionError

'''
_TAIL: Final = '''

def revisions_of(number: str) -> Sequence[str]:
    """The Alembic revisions of a version, its head last.

    Raises:
        NoSuchVersionError: the table has no such version.
    """
    head = HEADS.get(number)
    if head is None:
        raise NoSuchVersionError(
            f"the schema of MLflow {number} is not known to this Headgate, which knows those of "
            f"{', '.join(HEADS)}: use a newer Headgate"
        )
    return CHAIN[: CHAIN.index(head) + 1]
'''


def chain_of(wheel: Path) -> list[str]:
    """The revisions in a wheel, in the order in which they are applied."""
    found: dict[str, Any] = {}
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.startswith(_VERSIONS) and name.endswith(".py"):
                values = dict(_assigned(ast.parse(archive.read(name))))
                if "revision" in values:
                    found[values["revision"]] = values["down_revision"]
    return in_order(found)


def _assigned(tree: ast.Module) -> Iterator[tuple[str, Any]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name in {"revision", "down_revision"}:
                yield name, ast.literal_eval(node.value)


def table(chains: Mapping[str, list[str]]) -> str:
    """The module.

    Raises:
        ValueError: the versions do not go on from each other.
    """
    longest = max(chains.values(), key=len)
    for number, chain in chains.items():
        if not chain or longest[: len(chain)] != chain:
            raise ValueError(f"the schemas of {number} are not the first of those of the newest")
    numbers = sorted(chains, key=lambda each: [int(part) for part in each.split(".")])
    lines = ["CHAIN: Final[Sequence[str]] = (", *(f'    "{each}",' for each in longest), ")"]
    lines += ['"""Every revision, in the order in which they are applied."""', ""]
    lines += ["HEADS: Final[Mapping[str, str]] = {"]
    lines += [f'    "{number}": "{chains[number][-1]}",' for number in numbers]
    lines += ["}", '"""The last revision of each version."""']
    return _HEAD + "\n".join(lines) + "\n" + _TAIL


def main() -> None:
    """Write the table."""
    wheels = sorted(Path(sys.argv[1]).glob("mlflow-*.whl"))
    chains = {each.name.split("-")[1]: chain_of(each) for each in wheels}
    TABLE.write_text(table(chains), encoding="utf-8")


if __name__ == "__main__":
    main()
