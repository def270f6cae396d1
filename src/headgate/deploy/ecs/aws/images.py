"""Images in ECR."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headgate.deploy.ecs import permissions
from headgate.deploy.ecs.aws.calls import Calls
from headgate.deploy.ecs.errors import PlaneError, PlaneFailure

_ECR = re.compile(
    r"(?P<account>[0-9]{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.[a-z0-9.-]+"
)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Image:
    """The parts of an image's name.

    Attributes:
        repository: with the registry's host, if there is one.
        tag: without one, and without a digest, container runtimes take ``latest``.
    """

    repository: str
    tag: str
    digest: str

    @property
    def pinned(self) -> str:
        """The repository with the digest, which alone says what runs."""
        return f"{self.repository}@{self.digest}"


def read_image(image: str) -> Image:
    """Take the name of an image apart.

    Raises:
        PlaneError: it is none.
    """
    rest, at, digest = image.partition("@")
    host, slash, path = rest.rpartition("/")
    path, colon, tag = path.partition(":")
    repository = f"{host}{slash}{path}"
    good = (
        path
        and not any(each.isspace() for each in image)
        and (not at or _DIGEST.fullmatch(digest))
        and (not colon or _TAG.fullmatch(tag))
    )
    if not good:
        raise PlaneError(
            PlaneFailure.INVALID,
            f"'{image}' is not the name of an image: it is REPOSITORY:TAG or "
            "REPOSITORY@sha256:DIGEST",
        )
    return Image(repository, tag or ("" if at else "latest"), digest)


class Images:
    """What ECR says of images; of those in other registries nothing is known."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def digest(self, image: str) -> str:
        """See ``ControlPlane``."""
        parts = read_image(image)
        if parts.digest:
            return image if not parts.tag else parts.pinned
        if (in_ecr := _ECR.match(parts.repository)) is None:
            raise PlaneError(
                PlaneFailure.INVALID,
                f"the image '{image}' is not in ECR, where its digest could be looked up: name it "
                f"as {parts.repository}@sha256:DIGEST, since what a tag means may change",
            )
        found = self._described(parts, in_ecr, image)
        if found is None:
            raise PlaneError(
                PlaneFailure.NOT_FOUND,
                f"there is no image '{image}' in ECR ({in_ecr['region']}): push it first, or look "
                "at its name and tag",
            )
        return f"{parts.repository}@{found['imageDigest']}"

    def exists(self, image: str) -> bool | None:
        """See ``ControlPlane``."""
        parts = read_image(image)
        if (in_ecr := _ECR.match(parts.repository)) is None:
            return None
        return self._described(parts, in_ecr, image) is not None

    def _described(
        self, parts: Image, in_ecr: re.Match[str], image: str
    ) -> Mapping[str, Any] | None:
        if in_ecr["region"] != self._calls.region:
            raise PlaneError(
                PlaneFailure.INVALID,
                f"the image '{image}' is in region {in_ecr['region']}, and the service in "
                f"{self._calls.region}: name it with its digest (@sha256:…), or push it to the "
                "service's region",
            )
        wanted = {"imageDigest": parts.digest} if parts.digest else {"imageTag": parts.tag}
        try:
            response = self._calls.ask(
                permissions.IMAGES,
                f"image '{image}'",
                registryId=in_ecr["account"],
                repositoryName=parts.repository.partition("/")[2],
                imageIds=[wanted],
            )
        except PlaneError as error:
            if error.failure is PlaneFailure.NOT_FOUND:
                return None
            raise
        found: Mapping[str, Any] | None = next(iter(response.get("imageDetails", ())), None)
        return found
