"""Time that the gate's own code takes for a small request, without sockets or kernel.

The data plane of a worker, with the pipeline, a key store, counters and an access log, between
two fakes: what it writes is counted and thrown away.  It shows what a change of code is worth in
seconds and without other programs.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.peers.programs import Program, new_key
from bench.series import Better, Series, alternating
from bench.setting import CannotMeasureError, Setting
from headgate.auth.chain import AuthenticatorChain
from headgate.auth.keys.authenticator import KeyAuthenticator
from headgate.auth.keys.keyring import Keyring
from headgate.auth.keys.refresher import Refresher
from headgate.config import Config
from headgate.config.files import Files
from headgate.dataplane.client import ClientConnection
from headgate.dataplane.connections.dial import pair_dial
from headgate.dataplane.connections.upstream import UpstreamConnection
from headgate.dataplane.decisions import Caller, Decider, Decision, Inspect
from headgate.decide.builder import PipelineBuilder
from headgate.errors import Refusal
from headgate.events import discard
from headgate.model import Principal
from headgate.runtime.gate import LiveGate
from headgate.stores import open_identity_store
from headgate.telemetry.access_log import AccessLog
from headgate.telemetry.counters import Counters
from headgate.telemetry.outcome_sinks import OutcomeSinks
from headgate.wire.request import Request
from tests.support.gate import bearer

Pass = Callable[[ClientConnection, asyncio.Protocol, Sequence[tuple[bytes, bytes]]], None]
"""Passes exchanges through a gate."""
START_SECONDS = 20.0
_DISTINCT = 1000
_BODY = b'{"data": "%b"}' % (b"x" * 1010)
CASES = {"alike": "heads alike", "varied": "each head different", "post": "POST of a metric"}


def measure(setting: Setting, programs: Sequence[Program]) -> list[Series]:
    """Pass requests through each build, the three kinds of the benchmark ``cpu``."""
    found: dict[str, dict[str, list[float]]] = {program.name: {} for program in programs}
    for turn, names in enumerate(alternating(list(found), setting.rounds), start=1):
        setting.say(f"dataplane: round {turn} of {setting.rounds}")
        for program in sorted(programs, key=lambda each: names.index(each.name)):
            for series, value in _round(setting, program).items():
                found[program.name].setdefault(series, []).append(value)
    titles = {case: f"The gate's own code: {title}" for case, title in CASES.items()} | {
        f"deciding-{case}": f"Deciding, over the bare wire: {title}"
        for case, title in CASES.items()
    }
    titles |= {
        f"anew-{case}": f"The same, with every head parsed anew: {title}"
        for case, title in CASES.items()
    }
    return [
        Series(
            f"dataplane.{name}",
            title,
            "µs",
            Better.LOWER,
            {program.name: found[program.name][name] for program in programs},
        )
        for name, title in titles.items()
    ]


def _round(setting: Setting, program: Program) -> dict[str, float]:
    """Measure one build once, in a process of its own: it is chosen when Python starts."""
    with tempfile.TemporaryDirectory(dir=setting.folder) as folder:
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "bench.dataplane", folder, str(setting.choose(20, 2))],
            env=os.environ | dict(program.environment()),
            check=False,
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise CannotMeasureError(f"{program.name} has failed: {done.stderr[-2000:]}")
    found = json.loads(done.stdout)
    assert isinstance(found, dict)  # noqa: S101 - what ``main`` writes
    return found


def main(folder: Path, repeats: int) -> None:
    """Pass each case's requests ``repeats`` times through the build that Python finds.

    Prints the microseconds for each request, as JSON by the names of the series.
    """
    key = new_key(folder)
    with asyncio.Runner(loop_factory=_Loop) as runner, _gate(folder) as gate:
        sys.stdout.write(json.dumps(runner.run(_measure(repeats, gate, key))))


class _Transport(asyncio.Transport):
    """Takes what is written, and never pushes back."""

    def __init__(self, tell: Callable[[bytes], None] | None = None) -> None:
        super().__init__({"peername": ("127.0.0.1", 40000)})
        self.writes = 0
        self._tell = tell

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes += 1
        if self._tell is not None:
            self._tell(bytes(data))
            self._tell = None

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def abort(self) -> None:
        pass


class _Loop(asyncio.SelectorEventLoop):
    """Opens no connection: each is a fake, and is there immediately.

    ``asked`` has the protocol of each connection on which something was sent, and what was first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked: asyncio.Queue[tuple[asyncio.Protocol, bytes]] = asyncio.Queue()

    async def create_connection(  # type: ignore[override]  # of its many forms the gate uses one
        self, make: Callable[[], asyncio.Protocol], *_address: object, **_options: object
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        protocol = make()
        transport = _Transport(lambda data: self.asked.put_nowait((protocol, data)))
        protocol.connection_made(transport)
        return transport, protocol


@contextmanager
def _gate(folder: Path) -> Iterator[LiveGate]:
    """The gate of a worker, with a key store, counters and an access log."""
    config = Config(data=folder / "data")
    keyring = Keyring()
    keys = KeyAuthenticator(keyring)
    log_file = os.open(folder / "access.log", os.O_WRONLY | os.O_CREAT)
    access_log = AccessLog(log_file)
    with open_identity_store(config) as store:
        Refresher(store, keyring, lambda: None, interval=1.0, clock=time.time, emit=discard).load()
        row = Counters(1).row(0)
        yield LiveGate(
            config,
            PipelineBuilder(AuthenticatorChain([keys], time.time), discard),
            pair_dial(asyncio.Protocol),  # unused
            account=OutcomeSinks(row, access_log, discard).account,
            emit=discard,
            row=row,
            access_log=access_log,
            tls=None,
            files=Files(),
            keep=lambda _in_force: None,
        )
    access_log.close()
    os.close(log_file)


class _BareGate:
    """Lets everything pass the way that the first request of its method went, undecided."""

    def __init__(self, gate: Decider) -> None:
        self._gate = gate
        self._known: dict[bytes, Decision] = {}

    def decide(self, request: Request, caller: Caller) -> Decision:
        """Give the decision that the real gate gave first."""
        decision = self._known.get(request.method)
        if decision is None:
            decision = self._known[request.method] = self._gate.decide(request, caller)
        return decision

    def decide_body(
        self, request: Request, caller: Caller, asked: Inspect, body: bytes
    ) -> Decision:
        """Ask the real gate, which none of these requests needs."""
        return self._gate.decide_body(request, caller, asked, body)

    def reconsider(self, request: Request, caller: Caller, principal: Principal) -> Refusal | None:
        """Ask the real gate, which none of these requests needs."""
        return self._gate.reconsider(request, caller, principal)

    def is_otlp(self, request: Request) -> bool:
        """Ask the real gate, when one is refused."""
        return self._gate.is_otlp(request)


async def _measure(repeats: int, gate: LiveGate, key: str) -> dict[str, float]:
    await gate.prepare()
    client, transport = ClientConnection(gate.plane), _Transport()
    client.connection_made(transport)
    messages = {case: _messages(case, key) for case in CASES}
    upstream = await _first_exchange(client, *messages["alike"][0])
    found: dict[str, float] = {}
    real = gate.plane.decider
    bare = _BareGate(real)
    for case, exchanges in messages.items():
        gate.plane.decider = real
        found[case] = _time(client, upstream, transport, exchanges, repeats)
        gate.plane.decider = bare
        undecided = _time(client, upstream, transport, exchanges, repeats)
        found[f"deciding-{case}"] = found[case] - undecided
        gate.plane.decider = real
        found[f"anew-{case}"] = _time(client, upstream, transport, exchanges, repeats, _pass_anew)
    return found


def _time(
    client: ClientConnection,
    upstream: asyncio.Protocol,
    transport: _Transport,
    exchanges: Sequence[tuple[bytes, bytes]],
    repeats: int,
    pass_on: Pass | None = None,
) -> float:
    """Microseconds for each exchange."""
    pass_on = pass_on or _pass
    pass_on(client, upstream, exchanges)
    before = transport.writes
    gc.collect()
    started = time.process_time()
    for _ in range(repeats):
        pass_on(client, upstream, exchanges)
    spent = time.process_time() - started
    answered = transport.writes - before
    if answered != repeats * len(exchanges):
        raise CannotMeasureError(f"{answered} responses to {repeats * len(exchanges)} requests")
    return spent / answered * 1e6


async def _first_exchange(
    client: ClientConnection, request: bytes, response: bytes
) -> asyncio.Protocol:
    """Let the gate open its connection to MLflow; returns that connection."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, _Loop)  # noqa: S101 - the runner was given it
    client.data_received(request)
    async with asyncio.timeout(START_SECONDS):
        while True:
            upstream, sent = await loop.asked.get()
            if sent.startswith(request[: request.index(b"?")]):  # else the gate asks for itself
                upstream.data_received(response)
                return upstream


def _pass(
    client: ClientConnection, upstream: asyncio.Protocol, exchanges: Sequence[tuple[bytes, bytes]]
) -> None:
    for request, response in exchanges:
        client.data_received(request)
        upstream.data_received(response)


def _pass_anew(
    client: ClientConnection, upstream: asyncio.Protocol, exchanges: Sequence[tuple[bytes, bytes]]
) -> None:
    """Pass them on without making use of the heads before."""
    assert isinstance(upstream, UpstreamConnection)  # noqa: S101 - the gate has made it
    for request, response in exchanges:
        client.forget()
        client.data_received(request)
        upstream.forget()
        upstream.data_received(response)


def _messages(case: str, key: str) -> list[tuple[bytes, bytes]]:
    return [_exchange(case, key, number) for number in range(1, _DISTINCT + 1)]


def example_request(case: str, key: str, number: int) -> bytes:
    """A request as MLflow's client sends it, the ``number``-th of its kind."""
    fields = [
        "Host: 127.0.0.1:8080",
        bearer(key),
        "User-Agent: mlflow-python-client/3.17.2",
        "X-MLflow-Client-Version: 3.17.2",
        "Accept-Encoding: gzip, deflate",
        "Accept: */*",
    ]
    line, body = "GET /api/2.0/mlflow/experiments/get?experiment_id=1", ""
    if case == "varied":
        line = f"GET /api/2.0/mlflow/experiments/get?experiment_id={number}"
        sampled = "01" if number % 100 == 0 else "00"
        fields.append(f"traceparent: 00-{number:032x}-{number:016x}-{sampled}")
    elif case == "post":
        line = "POST /api/2.0/mlflow/runs/log-metric"
        name = ("loss", "accuracy", "learning_rate")[number % 3]
        body = f'{{"run_id": "{"5f0c7c1f" * 4}", "key": "{name}", "value": 1.0, "step": {number}}}'
        fields += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    request = "".join(f"{each}\r\n" for each in (f"{line} HTTP/1.1", *fields, "")) + body
    return request.encode("ascii")


def _exchange(case: str, key: str, number: int) -> tuple[bytes, bytes]:
    """A request, and a response to it."""
    response_field = f"X-Response: {number:032x}\r\n" if case == "varied" else ""
    head = (
        "HTTP/1.1 200 OK\r\nServer: uvicorn\r\nDate: Tue, 24 Nov 2026 06:00:00 GMT\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(_BODY)}\r\n"
        "X-Content-Type-Options: nosniff\r\nX-Frame-Options: SAMEORIGIN\r\n"
        f"{response_field}\r\n"
    )
    return example_request(case, key, number), head.encode("ascii") + _BODY


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
