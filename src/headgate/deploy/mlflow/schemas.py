"""The schemas of MLflow's versions.

Made by ``python -m tools.mlflow_schemas``, not by hand.  Where a version is installed it is asked
itself; this is for hosts that have it in an image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from headgate.deploy.mlflow.errors import NoSuchVersionError

CHAIN: Final[Sequence[str]] = (
    "451aebb31d03",
    "90e64c465722",
    "181f10493468",
    "df50e92ffc5e",
    "7ac759974ad8",
    "89d4b8295536",
    "2b4d017a5e9b",
    "cfd24bdc0731",
    "0a8213491aaa",
    "728d730b5ebd",
    "27a6a02d2cf1",
    "84291f40a231",
    "a8c4a736bde6",
    "39d1c3be5f05",
    "c48cb773bb87",
    "bd07f7e963c5",
    "0c779009ac13",
    "cc1f77228345",
    "97727af70f4d",
    "3500859a5d39",
    "7f2a7d5fae7d",
    "2d6e25af4d3e",
    "acf3f17fdcc7",
    "867495a8f9d4",
    "5b0e9adcef9c",
    "4465047574b1",
    "f5a4f2784254",
    "0584bdc529eb",
    "400f98739977",
    "6953534de441",
    "bda7b8c39065",
    "cbc13b556ace",
    "770bee3ae1dd",
    "a1b2c3d4e5f6",
    "de4033877273",
    "1a0cddfcaa16",
    "534353b11cbc",
    "71994744cf8e",
    "3da73c924c2f",
    "bf29a5ff90ea",
    "1bd49d398cd23",
    "b7c8d9e0f1a2",
    "5d2d30f0abce",
    "c9d4e5f6a7b8",
    "2c33131f4dae",
    "d3e4f5a6b7c8",
    "d0e1f2a3b4c5",
    "c8d9e0f1a2b3",
    "1b5f0d9ad7c1",
    "e1f2a3b4c5d6",
    "76601a5f987d",
    "c3d6457b6d8a",
    "a5b4c3d2e1f0",
    "ae8bbe7743c9",
    "7d34483879f0",
    "da6fb0208061",
    "89d3d66ed43f",
    "b7e4c1a90f23",
    "a8b9c0d1e2f3",
    "c1d2e3f4a5b6",
    "c3d9e7f1a2b4",
    "6f8d9c3b2a1e",
    "1971f2d9a75b",
    "17e22815139b",
    "b7e2c1a4d9f3",
    "75868b020152",
    "dc11669786a5",
    "e7d1f4b2a9c6",
    "8b6ad64cb8f5",
    "f4a9b2c7d1e6",
)
"""Every revision, in the order in which they are applied."""

HEADS: Final[Mapping[str, str]] = {
    "2.22.5": "0584bdc529eb",
    "3.5.1": "bf29a5ff90ea",
    "3.8.1": "1bd49d398cd23",
    "3.9.0": "d3e4f5a6b7c8",
    "3.10.0": "1b5f0d9ad7c1",
    "3.10.1": "1b5f0d9ad7c1",
    "3.11.1": "c3d6457b6d8a",
    "3.12.0": "7d34483879f0",
    "3.13.0": "da6fb0208061",
    "3.14.0": "b7e4c1a90f23",
    "3.15.0": "6f8d9c3b2a1e",
    "3.15.1": "6f8d9c3b2a1e",
    "3.15.2": "6f8d9c3b2a1e",
    "3.16.0": "b7e2c1a4d9f3",
    "3.16.1": "b7e2c1a4d9f3",
    "3.17.0": "dc11669786a5",
    "3.17.1": "dc11669786a5",
    "3.17.2": "dc11669786a5",
    "3.18.0": "f4a9b2c7d1e6",
}
"""The last revision of each version."""


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
