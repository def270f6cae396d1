"""A small service in the stand-in for ECS: its tasks are an HTTP server of a few lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from headgate.testing.ecs import FakePlane, Image, ServiceSpec
from headgate.testing.ecs.model import FakeService

CLUSTER: Final = "ml"
DIGEST: Final = "@sha256:" + "0123456789abcdef" * 4
BREAKER: Final[Mapping[str, Any]] = {
    "deploymentCircuitBreaker": {"enable": True, "rollback": True},
    "minimumHealthyPercent": 100,
    "maximumPercent": 200,
}
_PROGRAM: Final = """
import http.server, os, signal, sys

if sys.argv[1:] == ["db", "upgrade"]:
    sys.exit(int(os.environ.get("UPGRADE_EXIT", "0")))
if sys.argv[1:] != ["serve"]:
    sys.exit(2)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = os.environ["IMAGE"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
http.server.ThreadingHTTPServer((os.environ["ADDRESS"], 8080), Handler).serve_forever()
"""


def images(folder: Path) -> dict[str, Image]:
    """Images that are good, and bad in each way."""
    program = folder / "program.py"
    program.write_text(_PROGRAM, encoding="utf-8")

    def image(name: str, **environment: str) -> Image:
        return Image(
            command=("headgate",),
            programs={"headgate": (sys.executable, str(program))},
            arguments=("serve",),
            environment={"IMAGE": name, **environment},
            listen={"ADDRESS": "{address}"},
        )

    return {
        "headgate": image("good"),
        "headgate-unfit": image("unfit"),
        "headgate-unready": image("good", UPGRADE_EXIT="7"),
        "headgate-crashes": Image(command=("/bin/false",), port=None),
    }


def definition(family: str) -> dict[str, Any]:
    """Terraform's template."""
    return {
        "family": family,
        "containerDefinitions": [
            {
                "name": "headgate",
                "image": f"headgate{DIGEST}",
                "memory": 512,
                "portMappings": [{"containerPort": 8080}],
            }
        ],
    }


@contextmanager
def small_plane(folder: Path) -> Iterator[FakePlane]:
    """Run a plane with these images until the block ends."""
    with FakePlane(folder / "tasks", images(folder)) as plane:
        yield plane


def small_service(
    plane: FakePlane, name: str, deployment: Mapping[str, Any] = BREAKER, *, wait: bool = True
) -> FakeService:
    """Make a service of two tasks; the load balancer's requests go to it."""
    tags = {"headgate:environment": "development"}
    spec = ServiceSpec(CLUSTER, name, definition(name), deployment=deployment, tags=tags)
    service = plane.service(spec)
    if wait:
        plane.wait_until_steady(service)
    return service
