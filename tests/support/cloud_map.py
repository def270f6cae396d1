"""A stand-in for AWS Cloud Map: moto, behind a proxy of our own that throttles on command.

The proxy also counts revisions as AWS does: one more with each registration and deregistration.
moto answers with the number of instances.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3

from headgate.testing.one_moto import running_moto

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "example",
    "AWS_SECRET_ACCESS_KEY": "example",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
ZONE = "eu-central-1a"
_CHANGES = ("RegisterInstance", "DeregisterInstance")
_LOCATION = {
    "endpoint_url": "",
    "region_name": CREDENTIALS["AWS_DEFAULT_REGION"],
    "aws_access_key_id": CREDENTIALS["AWS_ACCESS_KEY_ID"],
    "aws_secret_access_key": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
}


@dataclass
class CloudMap:
    """``throttled``: the error code that discovery is answered with, ``None`` for the truth.

    ``refused`` counts those responses.
    """

    url: str = ""
    throttled: str | None = None
    refused: int = 0
    revision: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def environment(self) -> dict[str, str]:
        """What boto3 reads, in a process that is to ask here."""
        return CREDENTIALS | {"AWS_ENDPOINT_URL_SERVICEDISCOVERY": self.url}

    def create_service(self, namespace: str, name: str) -> CloudMapService:
        """Make a namespace with a service in it."""
        client = boto3.client("servicediscovery", **_LOCATION | {"endpoint_url": self.url})
        operation = client.create_http_namespace(Name=namespace)["OperationId"]
        made = client.get_operation(OperationId=operation)["Operation"]["Targets"]["NAMESPACE"]
        service = client.create_service(Name=name, NamespaceId=made)["Service"]["Id"]
        return CloudMapService(client, service)

    def refuse(self, action: str) -> bytes | None:
        """The response to a call that is throttled."""
        with self._lock:
            if self.throttled is None or not action.startswith("Discover"):
                return None
            self.refused += 1
            return json.dumps({"__type": self.throttled, "message": "Rate exceeded"}).encode()

    def revise(self, action: str, status: int, body: bytes) -> bytes:
        """Moto's response, with AWS's revision."""
        with self._lock:
            if action in _CHANGES and status == 200:
                self.revision += 1
            if action == "DiscoverInstancesRevision" and status == 200:
                return json.dumps({"InstancesRevision": self.revision}).encode()
        return body


@dataclass(frozen=True)
class CloudMapService:
    """A service, as ECS keeps it up to date."""

    client: Any
    service: str

    def register(
        self, instance: str, address: str, port: int | None = None, zone: str = ZONE
    ) -> None:
        """Name an instance from now on."""
        attributes = {"AWS_INSTANCE_IPV4": address, "AVAILABILITY_ZONE": zone}
        if port is not None:
            attributes["AWS_INSTANCE_PORT"] = str(port)
        self.client.register_instance(
            ServiceId=self.service, InstanceId=instance, Attributes=attributes
        )

    def set_health(self, instance: str, *, healthy: bool) -> None:
        """Say whether it is well, which moves no revision."""
        self.client.update_instance_custom_health_status(
            ServiceId=self.service,
            InstanceId=instance,
            Status="HEALTHY" if healthy else "UNHEALTHY",
        )

    def deregister(self, instance: str) -> None:
        """Name it no longer."""
        self.client.deregister_instance(ServiceId=self.service, InstanceId=instance)


def _handler(cloud_map: CloudMap, moto: tuple[str, int]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            action = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
            refusal = cloud_map.refuse(action)
            if refusal is not None:
                self._response(400, refusal)
                return
            status, response = self._forward(body)
            self._response(status, cloud_map.revise(action, status, response))

        def _forward(self, body: bytes) -> tuple[int, bytes]:
            connection = http.client.HTTPConnection(*moto, timeout=30)
            try:
                connection.request("POST", self.path, body, dict(self.headers.items()))
                response = connection.getresponse()
                return response.status, response.read()
            finally:
                connection.close()

        def _response(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            """Say nothing."""

    return Handler


@contextmanager
def running_cloud_map() -> Iterator[CloudMap]:
    """Run both until the block ends."""
    cloud_map = CloudMap()
    with (
        running_moto() as moto,
        ThreadingHTTPServer(("127.0.0.1", 0), _handler(cloud_map, moto)) as front,
    ):
        cloud_map.url = f"http://127.0.0.1:{front.server_port}"
        serving = threading.Thread(target=front.serve_forever, name="cloud-map")
        serving.start()
        try:
            yield cloud_map
        finally:
            front.shutdown()
            serving.join()
