"""The path of an artifact leads MLflow where the gate judged that it does, whatever is in it.

The oracle is MLflow's own code in three versions, and the file that it really opens.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.config import Shields
from headgate.contract import classify
from headgate.contract.parameters import path_parameters
from headgate.shields import Shield
from headgate.wire.errors import ProtocolError
from headgate.wire.target import canonicalise
from tests.support.mlflow_versions import python_with
from tests.support.processes import clean_environment

VERSIONS = ("2.22.5", "3.10.1", "3.17.2")
STORE = "/api/2.0/mlflow-artifacts/artifacts/"
FOLDER = "1/0123456789abcdef0123456789abcdef/artifacts"
SHIELD = Shield(Shields())
UUID = "1111111-2222-4333-8444-555555555555"

Oracle = Callable[[str], "list[str] | None"]


@contextmanager
def asking(version: str) -> Iterator[Oracle]:
    """An MLflow that says which files it opens for a path; none if it refuses it."""
    with subprocess.Popen(
        [python_with(version), Path(__file__).parents[1] / "support/path_oracle.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=clean_environment(),
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        asked, told = process.stdin, process.stdout

        def ask(path: str) -> list[str] | None:
            asked.write(json.dumps(path) + "\n")
            asked.flush()
            files: list[str] | None = json.loads(told.readline())
            return files

        try:
            yield ask
        finally:
            process.stdin.close()


@pytest.fixture(scope="module")
def oracles() -> Iterator[dict[str, Oracle]]:
    with ExitStack() as stack:
        yield {version: stack.enter_context(asking(version)) for version in VERSIONS}


def judged(path: bytes) -> str | None:
    """The path of the artifact that the gate sends an upload to; none if it refuses it."""
    try:
        target = canonicalise(STORE.encode() + path, b"")
    except ProtocolError:
        return None
    operation = classify(b"PUT", target.path)
    if operation is None or SHIELD.check_path(operation, target.path) is not None:
        return None
    assert operation.name == "artifacts/upload"
    # What MLflow's web framework hands on is one decoding of what is sent.
    assert path_parameters(operation, target.path)["artifact_path"] == (
        unquote(target.path.decode("ascii")).removeprefix(STORE)
    )
    return path_parameters(operation, target.path)["artifact_path"]


def image(step: int, uuid: str, *, compressed: bool = False) -> str:
    """As ``MlflowClient.log_image`` of 2.12 to 3.10 names them."""
    end = "%compressed.webp" if compressed else ".png"
    return f"images/dogs%step%{step}%timestamp%1720000000000%{uuid}{end}"


@pytest.mark.parametrize(
    "name",
    [
        *(image(step, "g" + UUID) for step in (0, 3, 10, 20, 25, 47, 92, 2500, 250000, -1)),
        # Until 2.15 or so the UUID could begin with a digit; some of those are stored.
        *(image(3, f"{first}{UUID[1:]}") for first in ("a1", "2f", "5c", "00", "2e", "25")),
        image(2500, "2f" + UUID[1:], compressed=True),
        *("a;b.txt", "a;", "tab\there", "cr\rhere", "\x17", "a\\b.txt", "a\x85b", "100%.txt"),
        *("a b", "ä.png", "what?", "a+b", "a&b=c", "%17", "k:1", "...", "..a", "a..", "v1.0%beta"),
    ],
)
def test_what_clients_store_is_stored_where_they_say(name: str, oracles: dict[str, Oracle]) -> None:
    path = f"{FOLDER}/{name}"
    assert judged(quote(path).encode()) == path
    for version, ask in oracles.items():
        files = ask(path)
        assert files is not None, version
        assert len(files) == 1, (version, files)
        assert files[0].startswith(path.rpartition("/")[0] + "/"), (version, files)


PIECES = (
    *("/", "/", "..", ".", "%", "25", "2f", "2F", "5c", "%2e", "%2E", "%2f", "%5C", "%00", "%09"),
    *("%0d", "%20", "\t", "\r", " ", "\\", ";", "?", "#", ":", "a", "1", "file:", "C:", "http:/"),
    *("%17", "%a1", "\x17", "\0", "é", "\x85", "%c0%ae", "\N{FULLWIDTH FULL STOP}", "step%"),
    *("%step%2500%timestamp%17%2f" + UUID + ".png", "%3f", "%23", "%3B", "%25", "%252e", "//"),
)
paths = st.builds(
    lambda pieces, times: _encoded("".join(pieces), times),
    st.lists(
        st.one_of(st.sampled_from(PIECES), st.text(st.characters(codec="utf-8"), max_size=2)),
        max_size=8,
    ),
    st.integers(0, 3),
)


def _encoded(path: str, times: int) -> str:
    for _ in range(times):
        path = quote(path, safe="/")
    return path


@given(paths, st.sampled_from(["", FOLDER + "/", "1/", "1"]), st.sampled_from(["/", "/%"]))
def test_mlflow_opens_nothing_outside_what_the_gate_judged(
    oracles: dict[str, Oracle], path: str, folder: str, safe: str
) -> None:
    """What passes is stored in the folder that it says, or refused by MLflow itself."""
    path = judged((quote(folder) + quote(path, safe=safe)).encode()) or ""
    first, slash, _ = path.partition("/")
    for version, ask in oracles.items():
        for file in (ask(path) or ()) if path else ():
            assert file.split("/")[0] not in ("..", ""), (version, path, file)
            # A narrowed key is held to the experiment in front: no other reading has another.
            if slash and first.isascii() and first.isdigit():
                assert file.startswith(f"{first}/"), (version, path, file)
            if "%step%" not in path:
                assert len(file.split("/")) <= len(path.split("/")), (version, path, file)


def test_the_oracle_can_tell(oracles: dict[str, Any]) -> None:
    for ask in oracles.values():
        assert ask("1/../2/x") is None
        files = ask("1/a%2fb") or []
        assert [file.rpartition("/")[0] for file in files] == ["1/a"]
