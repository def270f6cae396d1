"""Both sides of a hand-over in one process, step by step."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from headgate.errors import HeadgateError
from headgate.events import Event, HandOverFailed, HandOverOffered, HandOverUnavailable
from headgate.model import Endpoint
from headgate.runtime import takeover, takeover_protocol
from headgate.runtime.takeover import Predecessor, release
from headgate.runtime.takeover_offer import HELLO_SECONDS, OFFER_SECONDS, HandOverListener
from headgate.runtime.takeover_place import Place
from headgate.runtime.takeover_protocol import Peer, peer_of


@dataclass
class Watching:
    """The supervisor, which here looks only when it is asked to."""

    calls: dict[int, Callable[[], None]] = field(default_factory=dict)

    def watch(self, file: int, call: Callable[[], None]) -> None:
        self.calls[file] = call

    def unwatch(self, file: int) -> None:
        self.calls.pop(file, None)


@dataclass
class OldGate:
    """What a running gate passes on, and what it was asked to do."""

    sockets: list[socket.socket]
    lock: int
    scheme: str = "http"
    trouble: str = ""
    done: list[str] = field(default_factory=list)
    fields: dict[str, object] = field(default_factory=dict)

    def offer(self) -> tuple[list[tuple[str, int]], dict[str, object]]:
        if self.trouble:
            raise HeadgateError(self.trouble)
        self.done.append("offer")
        named = [(takeover.CLIENTS, each.fileno()) for each in self.sockets]
        given = {"version": "1.0", "scheme": self.scheme, "shared": [], "store": ""}
        return [*named, (takeover.LOCK, self.lock)], given | self.fields

    def withdraw(self) -> None:
        self.done.append("withdraw")

    def left(self, pid: int, version: str) -> None:
        self.done.append(f"left to {version}")


@dataclass
class Scene:
    """An old gate in a folder, and the new one that a thread runs."""

    folder: Path
    listening: socket.socket
    stack: ExitStack
    peer: Callable[[socket.socket], Peer] = peer_of
    now: float = 0.0
    events: list[Event] = field(default_factory=list)
    watching: Watching = field(default_factory=Watching)

    def __post_init__(self) -> None:
        self.address = Endpoint(*self.listening.getsockname()[:2])
        self.gate = OldGate([self.listening], os.open(self.folder, os.O_RDONLY))
        self.stack.callback(os.close, self.gate.lock)
        self.listener = HandOverListener(
            Place(self.folder, self.address),
            self.gate,
            self.events.append,
            lambda: self.now,
            peer=lambda channel: self.peer(channel),  # noqa: PLW0108 - a test sets it later
        )
        self.stack.callback(self.listener.end)
        self.listener.open(self.watching)

    def work(self) -> None:
        """Let the old gate do what is due."""
        for call in tuple(self.watching.calls.values()):
            call()

    def during(self, new: Callable[[], object]) -> object:
        """Run the new gate's step in a thread while the old one works."""
        result: list[object] = []

        def run() -> None:
            try:
                result.append(new())
            except Exception as error:  # noqa: BLE001 - a supervisor: the test looks at it
                result.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        while thread.is_alive():
            self.work()
            thread.join(0.005)
        return result[0]

    def take_over(self, scheme: str = "http") -> Predecessor:
        """The new gate asks; the result is closed with the scene."""
        found = self.during(
            lambda: Predecessor.at(self.folder, self.address, version="2.0", scheme=scheme)
        )
        if isinstance(found, BaseException):
            raise found
        assert isinstance(found, Predecessor)
        self.stack.callback(found.close)
        self.stack.callback(release, found.passed)
        return found

    def failure(self) -> HandOverFailed:
        (found,) = [each for each in self.events if isinstance(each, HandOverFailed)]
        return found


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        yield Scene(tmp_path, listening, stack)


def test_the_sockets_go_over_and_the_old_gate_leaves(scene: Scene) -> None:
    new = scene.take_over()
    assert scene.gate.done == ["offer"]
    assert [type(each) for each in scene.events] == [HandOverOffered]
    (passed,) = new.passed.clients
    assert passed.getsockname() == scene.listening.getsockname()
    assert (new.passed.version, new.passed.pid) == ("1.0", os.getpid())
    assert scene.during(new.finish) is True
    assert scene.gate.done == ["offer", "left to 2.0"]
    with pytest.raises(HeadgateError, match="no gate at"):  # it waits for nobody any more
        scene.take_over()


def test_a_new_gate_that_ends_changes_nothing(scene: Scene) -> None:
    scene.take_over().close()
    scene.work()
    assert scene.gate.done == ["offer", "withdraw"]
    assert scene.failure().reason == "ended before it served"
    assert scene.during(scene.take_over().finish) is True


def test_an_old_gate_that_dies_leaves_all_to_the_new_one(scene: Scene) -> None:
    new = scene.take_over()
    scene.listener.end()
    assert new.finish() is False


def test_the_second_one_is_refused_and_the_first_goes_on(scene: Scene) -> None:
    first = scene.take_over()
    with pytest.raises(HeadgateError, match=rf"process {os.getpid()} \(Headgate 2.0\) is about to"):
        scene.take_over()
    assert scene.gate.done == ["offer"]
    assert scene.during(first.finish) is True


def test_one_that_takes_too_long_hears_of_it_when_it_comes(scene: Scene) -> None:
    new = scene.take_over()
    scene.now = OFFER_SECONDS
    scene.listener.look()
    assert scene.gate.done == ["offer", "withdraw"]
    found = scene.during(new.finish)
    assert isinstance(found, HeadgateError)
    assert "goes on: the new one did not serve in 120 s" in str(found)


def test_an_old_gate_that_says_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what it says too late is not missed."""
    new = scene.take_over()
    new._channel.settimeout(0.05)
    with pytest.raises(HeadgateError, match="still accepts connections"):
        new.finish()
    scene.work()
    assert scene.gate.done == ["offer", "withdraw"]


def test_a_caller_that_says_nothing_is_dismissed(scene: Scene) -> None:
    with Place(scene.folder, scene.address) as place, place.connect() as channel:
        scene.work()
        scene.now = HELLO_SECONDS
        scene.listener.look()
        channel.settimeout(5)
        assert takeover_protocol.receive(channel).kind == ""
    assert scene.events == []


def test_callers_are_few(scene: Scene) -> None:
    with Place(scene.folder, scene.address) as place, ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(place.connect())
            scene.work()
    assert len(scene.listener._callers) <= 8


def test_another_user_gets_nothing(scene: Scene) -> None:
    scene.peer = lambda _channel: Peer(4711, os.geteuid() + 1)
    with Place(scene.folder, scene.address) as place, place.connect() as channel:
        scene.work()
        channel.settimeout(5)
        assert takeover_protocol.receive(channel).kind == ""
    assert scene.gate.done == []
    assert f"it runs as user {os.geteuid() + 1}" in scene.failure().reason


def test_the_gate_of_another_user_is_not_asked(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(takeover, "peer_of", lambda _channel: Peer(4711, os.geteuid() + 1))
    with pytest.raises(HeadgateError, match="run it as the same user"):
        scene.take_over()
    assert scene.gate.done == []


def test_what_cannot_be_taken_over_is_one_sentence(scene: Scene) -> None:
    with pytest.raises(HeadgateError, match="serves http and this one is to serve https"):
        scene.take_over("https")
    scene.work()
    scene.gate.trouble = "not now"
    with pytest.raises(HeadgateError, match=r"^not now$"):
        scene.take_over()


def test_sockets_of_another_address_are_not_taken(scene: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        scene.gate.sockets = [other]
        with pytest.raises(HeadgateError, match="the running gate listens on"):
            scene.take_over()


@pytest.mark.parametrize("kind", ["datagram", "mute", "none"])
def test_what_does_not_listen_is_not_taken(kind: str, scene: Scene) -> None:
    how = socket.SOCK_DGRAM if kind == "datagram" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, how) as other:
        scene.gate.sockets = [] if kind == "none" else [other]
        with pytest.raises(HeadgateError, match=r"no socket that listens|what is none"):
            scene.take_over()


def test_under_a_service_manager_it_must_be_of_the_same_service(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.gate.fields = {"manager": "/run/notify", "watchdog_usec": 30_000_000}
    assert scene.take_over().passed.watched is not None
    scene.work()
    monkeypatch.setattr(takeover, "_same_cgroup", lambda _pid: False)
    scene.listener.end()
    again = Scene(scene.folder, scene.listening, scene.stack)
    again.gate.fields = scene.gate.fields
    with pytest.raises(HeadgateError, match="is a service of systemd"):
        again.take_over()


# --- the place --------------------------------------------------------------------------------


def test_the_socket_is_for_this_user_alone_and_the_path_may_be_long(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100) / ("y" * 100)
    folder.mkdir(parents=True)
    with Place(folder, Endpoint("::1", 8080)) as place, place.listen() as listening:
        (made,) = folder.iterdir()
        assert made.name == "take-over-[::1]:8080.sock"
        assert made.stat().st_mode & 0o777 == 0o600
        with place.connect():
            listening.setblocking(True)
            listening.accept()[0].close()
        place.leave()
        assert not made.exists()


def test_a_socket_that_was_left_behind_is_replaced(tmp_path: Path) -> None:
    with Place(tmp_path, Endpoint("127.0.0.1", 8080)) as place:
        place.listen().close()
        with pytest.raises(HeadgateError, match="no gate at"):
            place.connect()
        with place.listen(), place.connect():
            pass


def test_where_another_gate_has_the_place_this_one_goes_without(scene: Scene) -> None:
    events: list[Event] = []
    place = Place(scene.folder, scene.address)
    second = HandOverListener(place, scene.gate, events.append, lambda: 0.0)
    second.open(Watching())
    assert [type(each) for each in events] == [HandOverUnavailable]
    second.end()
    scene.during(scene.take_over().finish)  # the first one is still there
    assert scene.gate.done[-1] == "left to 2.0"
