"""Parameters of SSM: the template's ARN, the journal, and the versions of the lock."""

from __future__ import annotations

from headgate.deploy.ecs import permissions
from headgate.deploy.ecs.aws.calls import Calls
from headgate.deploy.ecs.aws.errors import code_of
from headgate.deploy.ecs.errors import PlaneError, PlaneFailure


class Parameter:
    """One parameter; as ``lock.VersionedText`` it also has the versions before."""

    def __init__(self, calls: Calls, name: str) -> None:
        self._calls = calls
        self.name = name
        self._resource = f"SSM parameter {name}"

    def read(self, version: int | None = None) -> tuple[str, int] | None:
        """The latest, or another version, with its number; None if there is none."""
        name = self.name if version is None else f"{self.name}:{version}"
        try:
            response = self._calls.ask(permissions.GET_PARAMETER, self._resource, Name=name)
        except PlaneError as error:
            if error.failure is PlaneFailure.NOT_FOUND:
                return None
            raise
        found = response["Parameter"]
        return found["Value"], found["Version"]

    def create(self, text: str) -> bool:
        """Write version 1; False if there is a parameter already."""
        try:
            self._put(text, overwrite=False)
        except PlaneError as error:
            if code_of(error.__cause__ or error) == "ParameterAlreadyExists":  # type: ignore[arg-type]
                return False
            raise
        return True

    def write(self, text: str) -> int:
        """Write the next version, the first if there is none; its number."""
        return self._put(text, overwrite=True)

    def _put(self, text: str, *, overwrite: bool) -> int:
        response = self._calls.ask(
            permissions.PUT_PARAMETER,
            self._resource,
            Name=self.name,
            Value=text,
            Type="String",
            Overwrite=overwrite,
        )
        return int(response["Version"])
