"""A changed configuration is taken up whole, or not at all, and never more than can be."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from headgate.config import Config, load
from headgate.config.restart import merged, waiting
from headgate.errors import HeadgateError
from headgate.runtime.reload import Reloader
from headgate.telemetry.event_log import log_event


class Followed:
    """A configuration file, a reloader that follows it, and what has come of it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.write("# nothing")
        self.applied: list[Config] = []
        self.unfit = ""
        self.reloader = Reloader(self._read(), self._read, self._apply, log_event, file)
        self.look()

    def _read(self) -> Config:
        return load(self.file, {})

    def _apply(self, config: Config) -> None:
        if self.unfit:
            raise HeadgateError(self.unfit)
        self.applied.append(config)

    def write(self, text: str) -> None:
        self.file.write_text(text, encoding="utf-8")

    def look(self) -> None:
        """Two looks: at the second one a change has settled."""
        self.reloader.look()
        self.reloader.look()


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    return Followed(tmp_path / "headgate.toml")


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was logged since the last call."""
    caplog.set_level(logging.INFO, "headgate.runtime")

    def lines() -> list[str]:
        found = [f"{record.levelname}: {record.getMessage()}" for record in caplog.records]
        caplog.clear()
        return found

    return lines


Said = Callable[[], list[str]]


def test_a_change_is_put_in_force(followed: Followed, said: Said) -> None:
    followed.write("[limits]\nin_flight = 7")
    followed.look()
    assert [config.limits.in_flight for config in followed.applied] == [7]
    assert said() == ["INFO: configuration reloaded"]


def test_a_file_that_says_the_same_changes_nothing(followed: Followed, said: Said) -> None:
    followed.write("# the same")
    followed.look()
    assert (followed.applied, said()) == ([], [])


def test_a_change_between_the_reading_and_the_watching_is_found(tmp_path: Path) -> None:
    file = tmp_path / "headgate.toml"
    file.write_text("# nothing")
    started = load(file, {})
    file.write_text("[limits]\nin_flight = 7")
    applied: list[Config] = []
    reloader = Reloader(started, lambda: load(file, {}), applied.append, log_event, file)
    reloader.look()
    assert [config.limits.in_flight for config in applied] == [7]


def test_asked_for_it_is_read_even_when_it_says_the_same(followed: Followed, said: Said) -> None:
    """The files that it names may hold something else."""
    followed.reloader.reload()
    assert len(followed.applied) == 1
    followed.look()
    assert len(followed.applied) == 1
    assert said() == ["INFO: configuration reloaded"]


def test_without_a_file_it_is_read_when_asked_for(said: Said) -> None:
    applied: list[Config] = []
    environment = {"HEADGATE_LIMITS__IN_FLIGHT": "7"}
    reloader = Reloader(Config(), lambda: load(None, environment), applied.append, log_event, None)
    reloader.look()
    assert applied == []
    reloader.reload()
    assert [config.limits.in_flight for config in applied] == [7]


def test_each_problem_is_logged_and_nothing_changes(followed: Followed, said: Said) -> None:
    followed.write("nonsense = 1\n[limits]\nin_flight = 0\nbody_timeout = 1")
    followed.look()
    assert followed.applied == []
    assert said() == [
        f"ERROR: configuration not reloaded: {problem}"
        for problem in (
            "limits.in_flight: must be 1 or more",
            "nonsense: no such setting",
        )
    ]
    followed.look()
    assert said() == []  # once for each time it is written


def test_a_file_that_is_gone_or_broken_and_then_mended(followed: Followed, said: Said) -> None:
    followed.file.unlink()
    followed.look()
    followed.write("[limits")
    followed.look()
    assert followed.applied == []
    assert [line.partition(":")[0] for line in said()] == ["ERROR", "ERROR"]
    followed.write("[limits]\nin_flight = 7")
    followed.look()
    assert [config.limits.in_flight for config in followed.applied] == [7]


@pytest.mark.parametrize("content", ["", " \n\n"])
def test_an_empty_file_is_no_configuration(content: str, followed: Followed, said: Said) -> None:
    """It was cut off, or is about to be written; every setting would go back to its default."""
    followed.write("[limits]\nin_flight = 7")
    followed.look()
    followed.write(content)
    followed.look()
    assert [config.limits.in_flight for config in followed.applied] == [7]
    assert "is empty" in said()[-1]


def test_a_file_that_is_being_written_is_left_alone(followed: Followed, said: Said) -> None:
    """Also when a reload is asked for meanwhile."""
    for length in range(7, 30):
        followed.write("[limits]\nin_flight = 7\nheaders = 77"[:length])
        followed.reloader.reload()
        followed.reloader.look()
    assert (followed.applied, said()) == ([], [])
    followed.write("[limits]\nin_flight = 7")
    followed.look()
    assert [config.limits.in_flight for config in followed.applied] == [7]
    assert said() == ["INFO: configuration reloaded"]
    followed.look()
    assert len(followed.applied) == 1


def test_a_file_that_is_written_while_it_is_read_is_read_again(tmp_path: Path, said: Said) -> None:
    file = tmp_path / "headgate.toml"
    file.write_text("[limits]\nin_flight = 7")
    pieces = ["[limits]\nin_flight = 8\nheaders = 7", "[limits]\nin_flight = 9\nheaders = 77"]

    def read() -> Config:
        try:
            return load(file, {})
        finally:
            if pieces:
                file.write_text(pieces.pop(0))

    applied: list[Config] = []
    reloader = Reloader(Config(), read, applied.append, log_event, file)
    for _ in range(10):
        reloader.look()
    assert [(config.limits.in_flight, config.limits.headers) for config in applied] == [(9, 77)]
    assert said() == ["INFO: configuration reloaded"]


def test_one_that_began_with_what_was_in_force_reads_all_again(followed: Followed) -> None:
    followed.write("[limits]\nin_flight = 7")
    current = Config()
    reloader = Reloader(
        Config(), followed._read, followed._apply, log_event, followed.file, current
    )
    for _ in range(4):
        reloader.look()
    assert [config.limits.in_flight for config in followed.applied] == [7]


def test_what_cannot_be_applied_is_tried_again(followed: Followed, said: Said) -> None:
    followed.unfit = "ca.pem contains no certificate"
    followed.write("[limits]\nin_flight = 7")
    followed.look()
    assert said() == ["ERROR: configuration not reloaded: ca.pem contains no certificate"]
    followed.unfit = ""
    followed.reloader.reload()
    assert [config.limits.in_flight for config in followed.applied] == [7]


def test_what_needs_a_restart_is_named_and_the_rest_is_put_in_force(
    followed: Followed, said: Said
) -> None:
    followed.write(
        'data = "elsewhere"\n[auth]\nmode = "none"\n[log]\naccess = false\n'
        "[listen]\nport = 1\nlame_duck = 9\nworkers = 3\n"
        'trusted_proxies = ["10.0.0.0/8"]\n[limits]\nin_flight = 7'
    )
    followed.look()
    (config,) = followed.applied
    assert (config.data, config.auth, config.log) == (Config().data, Config().auth, Config().log)
    assert (config.listen.port, config.listen.lame_duck, config.listen.workers) == (8080, 5, 1)
    assert [str(each) for each in config.listen.trusted_proxies] == ["10.0.0.0/8"]
    assert config.limits.in_flight == 7
    needed = (
        "data",
        "listen.port",
        "listen.workers",
        "listen.lame_duck",
        "auth.mode",
        "log.access",
    )
    assert followed.reloader.status().needs_restart == needed
    assert followed.reloader.status().differs_from_file
    told, reloaded = said()
    assert told == (
        "WARNING: not in force before a restart: data (written: elsewhere; in force: "
        "headgate-data); listen.port (written: 1; in force: 8080); listen.workers (written: 3; in "
        "force: 1); listen.lame_duck (written: 9.0; in force: 5.0); auth.mode (written: none; in "
        "force: keys); log.access (written: False; in force: True)"
    )
    assert reloaded == "INFO: configuration reloaded"


def test_going_back_to_what_the_gate_was_started_with_needs_no_restart(
    followed: Followed, said: Said
) -> None:
    followed.write("[listen]\nport = 1")
    followed.look()
    said()
    followed.write("# nothing")
    followed.look()
    assert said() == []  # all is in force as it is written
    assert not followed.reloader.status().differs_from_file


def test_a_restart_that_is_still_needed_is_named_each_time(followed: Followed, said: Said) -> None:
    for limit in (7, 8):
        followed.write(f"[listen]\nport = 1\n[limits]\nin_flight = {limit}")
        followed.look()
        assert said()[0].startswith(
            "WARNING: not in force before a restart: listen.port (written: 1"
        )


def test_every_setting_is_either_changed_or_named() -> None:
    """Whatever is added to the configuration later."""
    wanted = load(
        None,
        {},
        {
            "data": "elsewhere",
            "auth.refresh_interval": 1,
            "log.access": False,
            "listen.host": "::1",
            "limits.in_flight": 7,
            "upstreams.default.url": "http://other",
        },
    )
    result = merged(Config(), wanted)
    named = {path.partition(".")[0] for path, _, _ in waiting(Config(), wanted)}
    for name in Config.model_fields:
        taken = getattr(result, name) == getattr(wanted, name)
        assert taken is not (name in named), name
    assert list(waiting(Config(), result)) == []


def test_what_is_written_and_unfit_shows_in_the_status(followed: Followed) -> None:
    followed.write("nonsense = 1")
    followed.look()
    status = followed.reloader.status()
    assert (status.differs_from_file, status.problems) == (True, ("nonsense: no such setting",))
    followed.write("# nothing")
    followed.look()
    assert not followed.reloader.status().differs_from_file


def test_a_table_that_comes_or_goes_is_named_as_one(tmp_path: Path) -> None:
    for name in ("c.pem", "k.pem", "ca.pem"):
        (tmp_path / name).write_text("x")
    tls = {
        "listen.tls.certificate": tmp_path / "c.pem",
        "listen.tls.key": tmp_path / "k.pem",
    }
    with_tls = load(None, {}, tls)
    with_ca = load(None, {}, tls | {"listen.tls.client_ca": tmp_path / "ca.pem"})
    assert [path for path, _, _ in waiting(Config(), with_tls)] == ["listen.tls"]
    assert [path for path, _, _ in waiting(with_tls, with_ca)] == ["listen.tls.client_ca"]
    assert merged(with_tls, with_ca) == with_tls
