"""The output of ``headgate up`` when it is ready: plain lines to read and to copy."""

from __future__ import annotations

import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from headgate.cli import address
from headgate.cli.output import document


@dataclass(frozen=True, slots=True)
class Welcome:
    """What a user needs to know about a gate that has just started.

    ``new_key`` is the key that this start created; ``None`` if there were some already, named in
    ``old_keys``.  ``program`` is the command for ``headgate``.  ``stops_mlflow`` says whether
    Ctrl-C also stops the MLflow server.
    """

    host: str
    port: int
    upstream: str
    data: Path
    new_key: str | None
    old_keys: tuple[str, ...]
    program: str
    stops_mlflow: bool

    def lines(self) -> list[str]:
        """The lines; they are not wrapped, so that commands can be copied."""
        base = address.url(self.host, self.port)
        return [
            f"Headgate is ready, with MLflow at {self.upstream} behind it.",
            "",
            f"  Tracking URI  {base}",
            f"  API key       {self._key()}",
            f"  MLflow's UI   {base}/mlflow/  (any user name; the key is the password)",
            f"  Data          {self.data.absolute()}",
            "",
            "In a second shell:",
            "",
            f"export MLFLOW_TRACKING_URI={base}",
            f"export MLFLOW_TRACKING_TOKEN={self.new_key or 'YOUR_KEY'}",
            f"{self.program} verify --url {base}/mlflow",
            "",
            f"Ctrl-C stops {'the gate and MLflow' if self.stops_mlflow else 'the gate'}.",
        ]

    def document(self) -> str:
        """The same as JSON."""
        base = address.url(self.host, self.port)
        return document(
            {
                "tracking_uri": base,
                "ui": f"{base}/mlflow/",
                "mlflow": self.upstream,
                "data": str(self.data.absolute()),
                "secret": self.new_key,
                "keys": list(self.old_keys),
            }
        )

    def _key(self) -> str:
        if self.new_key is not None:
            return f"{self.new_key}  (shown only once)"
        names = ", ".join(self.old_keys)
        data = shlex.quote(str(self.data))
        return (
            f"shown when it was created ({names}); create another: "
            f"{self.program} keys create NAME --data {data}"
        )


def program(argv0: str, working_folder: Path) -> str:
    """The command for ``headgate`` in ``working_folder``, from ``argv0`` of this process."""
    path = working_folder / argv0
    if path.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m headgate"
    found = shutil.which(path.name)
    if found is not None and Path(found).resolve() == path.resolve():
        return path.name
    near = path.is_relative_to(working_folder)
    return shlex.quote(str(path.relative_to(working_folder) if near else path))
