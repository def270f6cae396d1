"""The servers that the page about troubleshooting is played with: good ones and broken ones."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.support.certificates import Authority, Certificate
from tests.support.gate import create_key, running_gate
from tests.support.keys import revoke_key
from tests.support.mlflow_server import MlflowServer
from tests.support.nginx import nginx_program
from tests.support.ports import free_port
from tests.support.processes import ServerProcess
from tests.support.recording_upstream import Exchange, RecordingUpstream
from tests.support.scripts import closed, fixed, raw, response_bytes, silent
from tests.support.two_gates import called
from tests.support.waiting import seconds_until

CUT_OFF = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 9\r\n\r\nhalf"
)
NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_read_timeout 1s;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass {gate}; }}
        location /stopped/ {{ proxy_pass http://127.0.0.1:{dead}; }}
        location /silent/ {{ proxy_pass {silent}; }}
    }}
}}
"""


def _followed(upstream: Mapping[str, Any]) -> bool:
    """Whether the gate has taken up what was asked of an upstream."""
    return bool(upstream["acknowledged"] and upstream["gates"])


class Cast:
    """The servers of the scene."""

    def __init__(self, folder: Path, stack: ExitStack, mlflow: MlflowServer) -> None:
        self.folder, self.stack, self.mlflow = folder, stack, mlflow
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))  # the port is taken, and nothing listens there
        self.dead = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.silent = stack.enter_context(RecordingUpstream(silent)).url
        self.authority = Authority(folder, "authority")
        for name in (
            "gate",
            "tls",
            "mutual",
            "busy",
            "home",
            "nginx",
            "own-disk",
            "proxied",
            "proxied-tls",
        ):
            (folder / name).mkdir()
        data = folder / "gate/data"
        self.admin = create_key(data, "admin", ["admin"])
        self.writer = create_key(data, "writer", ["writer"])
        self.viewer = create_key(data, "viewer", ["viewer"])
        self.reader = create_key(data, "reader", ["reader"])
        self.revoked = create_key(data, "revoked")
        revoke_key(data, "revoked")
        self.running = stack.enter_context(
            running_gate(folder / "gate", None, {"HEADGATE_CONFIG": str(self._configuration())})
        )
        self.gate = self.running.url
        issued = self.authority.issue("gate", "127.0.0.1")
        tls = {
            "HEADGATE_LISTEN__TLS__CERTIFICATE": str(issued.certificate),
            "HEADGATE_LISTEN__TLS__KEY": str(issued.key),
        }
        self.tls = stack.enter_context(running_gate(folder / "tls", mlflow.url, tls)).url
        proxied = {"HEADGATE_LISTEN__PROXY_PROTOCOL": "127.0.0.0/8"}
        self.proxied = stack.enter_context(
            running_gate(folder / "proxied", mlflow.url, proxied)
        ).url
        proxied |= tls
        self.proxied_tls = stack.enter_context(
            running_gate(folder / "proxied-tls", mlflow.url, proxied)
        ).url
        mutual = tls | {"HEADGATE_LISTEN__TLS__CLIENT_CA": str(self.authority.certificate)}
        self.mutual = stack.enter_context(running_gate(folder / "mutual", mlflow.url, mutual)).url
        self._maintain(self.admin)

    def _maintain(self, key: str) -> None:
        """Park one upstream, and let another one be read only."""
        asked = {"seconds": 3600, "sentence": "upgrade to 3.17"}
        called(self.running, key, "POST", "/upstreams/parked/park", asked)
        asked["sentence"] = "nightly backup"
        called(self.running, key, "POST", "/upstreams/read-only/read-only", {"on": True, **asked})
        for name in ("parked", "read-only"):
            path = f"/upstreams/{name}"
            seconds_until(lambda: _followed(called(self.running, key, "GET", path)), 60)  # noqa: B023

    def _configuration(self) -> Path:
        """One upstream for each way in which MLflow can be out of reach, under its own prefix."""
        page = raw(response_bytes(b"<html>Log in</html>", content_type="text/html"))
        host = b"Invalid Host header - possible DNS rebinding attack detected"
        refuses = raw(response_bytes(host, status=403, content_type="text/plain"))
        asks = raw(
            response_bytes(b"You are not authenticated.", status=401, content_type="text/html")
        )
        failed = b'{"error_code":"INTERNAL_ERROR","message":"(sqlite3.OperationalError) disk"}'
        played = {"reset": closed(), "page": page, "host": refuses, "login": asks}
        played |= {"failing": raw(response_bytes(failed, status=500)), "half": closed(CUT_OFF)}
        urls = {
            name: self.stack.enter_context(RecordingUpstream(script)).url
            for name, script in played.items()
        }
        urls |= {"stopped": self.dead, "silent": self.silent}
        urls |= {"locked": self.shown(self.authority.issue("mlflow", "127.0.0.1"))}
        urls |= {"nowhere": "http://mlflow.nowhere.invalid:5000"}
        urls |= {"parked": self.mlflow.url, "read-only": self.mlflow.url}
        urls |= {"small": self.mlflow.url}  # the last: the limits below are its own
        text = f'[upstreams.default]\nurl = "{self.mlflow.url}"\n'
        for name, url in urls.items():
            text += f'[upstreams.{name}]\nurl = "{url}"\nprefixes = ["/{name}"]\n'
            text += "probes.interval = 0\nsilence_timeout = 0.5\nparking.hold = 0.5\n"
        text += 'limits.body_bytes = "10KiB"\nlimits.artifact_body_bytes = "1MiB"\n'
        text += '[roles.reader]\ngrants = ["read:*"]\n'
        text += '[limits.roles.viewer]\nrates.reads = "1/min burst 1"\n'
        file = self.folder / "headgate.toml"
        file.write_text(text, encoding="utf-8")
        return file

    def shown(self, certificate: Certificate) -> str:
        """The address of a server that has this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
        return self.stack.enter_context(RecordingUpstream(fixed(), tls=context)).url

    def redirecting(self) -> str:
        """The address of a load balancer that redirects to the gate, as to its HTTPS."""

        def redirect(exchange: Exchange) -> None:
            target = exchange.request.request_line.split(b" ")[1]
            location = self.gate.encode("ascii") + target
            exchange.read_body()
            exchange.send(
                b"HTTP/1.1 301 Moved Permanently\r\n"
                b"Location: " + location + b"\r\nContent-Length: 0\r\n\r\n"
            )

        return self.stack.enter_context(RecordingUpstream(redirect)).url

    def nginx(self) -> str:
        """The address of an nginx in front of the gate that has its defaults."""
        port, folder = free_port(), self.folder / "nginx"
        text = NGINX.format(
            folder=folder,
            port=port,
            gate=self.gate,
            dead=self.dead.rpartition(":")[2],
            silent=self.silent,
        )
        (folder / "nginx.conf").write_text(text)
        command = [str(nginx_program()), "-p", str(folder), "-c", str(folder / "nginx.conf")]
        process = self.stack.enter_context(ServerProcess(command, {}, folder, "nginx"))

        def accepts() -> bool | None:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0 or None

        process.wait_until(accepts, "nginx", 30)
        return f"http://127.0.0.1:{port}"
