"""The URL of a PostgreSQL database: what is made of it, and that its password shows nowhere."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headgate.config import Config
from headgate.config.auth import Auth
from headgate.errors import HeadgateError
from headgate.stores import identity_store_location, identity_store_warnings, open_identity_store
from headgate.stores.sql.postgresql.url import UrlFile, parse, read_target

FILE = UrlFile(Path("/run/secrets/url"))


@pytest.fixture(autouse=True)
def _no_own_authorities(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PGSSLROOTCERT", raising=False)


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("postgresql://gate:canary@db.internal/keys", "postgresql://db.internal/keys"),
        ("postgres://gate:canary@db.internal:5433/keys", "postgresql://db.internal:5433/keys"),
        ("postgresql+psycopg://gate@db.internal/keys", "postgresql://db.internal/keys"),
        ("postgresql://gate:canary@[::1]:5432/keys", "postgresql://[::1]:5432/keys"),
        ("postgresql://a:1,b:2/keys", "postgresql://a:1,b:2/keys"),
        ("postgresql:///keys?host=/run/postgresql", "postgresql:///run/postgresql/keys"),
    ],
)
def test_what_is_shown_of_a_database(url: str, location: str) -> None:
    target = parse(url, FILE)
    assert target.location == location
    assert "canary" not in repr(target)
    assert target.parameters.get("password", "canary") == "canary"


@pytest.mark.parametrize(
    ("url", "sslmode", "warns"),
    [
        ("postgresql://db.internal/keys", "verify-full", False),
        ("postgresql://192.0.2.1/keys", "verify-full", False),
        ("postgresql://db.internal/keys?sslmode=verify-ca", "verify-ca", True),
        ("postgresql://db.internal/keys?sslmode=require", "require", True),
        ("postgresql://db.internal/keys?sslmode=disable", "disable", True),
        ("postgresql://localhost/keys", "prefer", False),
        ("postgresql://127.0.0.2/keys", "prefer", False),
        ("postgresql://[::1]/keys", "prefer", False),
        ("postgresql:///keys", "prefer", False),
        ("postgresql:///keys?host=/run/postgresql", "prefer", False),
        ("postgresql://localhost,db.internal/keys", "verify-full", False),
        ("postgresql://localhost/keys?hostaddr=192.0.2.1", "verify-full", False),
        ("postgresql://localhost.example.org/keys", "verify-full", False),
        ("postgresql://localhost/keys?sslmode=verify-full", "verify-full", False),
        ("postgresql://db.internal/keys?sslmode=", "verify-full", False),
    ],
)
def test_a_database_elsewhere_is_verified_unless_the_url_says_otherwise(
    url: str, sslmode: str, warns: bool
) -> None:
    target = parse(url, FILE)
    assert target.parameters["sslmode"] == target.sslmode == sslmode
    assert bool(target.warnings) is warns
    assert ("sslrootcert" in target.parameters) is (sslmode == "verify-full")


@pytest.mark.parametrize(
    ("variable", "value", "sslmode"),
    [
        ("PGHOST", "db.internal", "verify-full"),
        ("PGHOSTADDR", "192.0.2.1", "verify-full"),
        ("PGSERVICE", "somewhere", "verify-full"),
        ("PGHOST", "/run/postgresql", "prefer"),
    ],
)
def test_the_environment_of_libpq_counts(
    variable: str, value: str, sslmode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It decides where a URL without a host leads."""
    monkeypatch.setenv(variable, value)
    assert parse("postgresql:///keys", FILE).sslmode == sslmode


def test_a_mode_that_libpq_does_not_know() -> None:
    with pytest.raises(HeadgateError, match="has an sslmode that libpq does not know"):
        parse("postgresql://db.internal/keys?sslmode=verify_full", FILE)


def test_the_url_decides_over_the_defaults() -> None:
    given_ = parse(
        "postgresql://db/keys?sslrootcert=/ca.pem&connect_timeout=9&application_name=x", FILE
    ).parameters
    assert given_["sslrootcert"] == "/ca.pem"
    assert (given_["connect_timeout"], given_["application_name"]) == ("9", "x")
    assert given_["keepalives_idle"] == "10"


@pytest.mark.parametrize(
    "url",
    [
        *("canary", "mysql://u:canary@h/d", "host=h password=canary", "sqlite:///canary"),
        *("postgresql://u:can@ary@h/d", "postgresql://u:can/ary@h/d", "postgresql://u:can%ary@h/d"),
        *("postgresql://u:can?ary@h/d", "postgresql://u:can:ary@h/d?canary=1"),
        *("postgresql://u:canary@h:port/d", "postgresql://u:canary@h o/d"),
        *("postgresql://u:canary@h/d?sslmode=x\n", "postgresql://u:canary@h/d\nsecond line"),
        *("", "\n", "postgresql://u:canary@h/\x00", "\udcff"),
        "postgresql://u:canary@h/d%0Asecond",
    ],
)
def test_what_is_no_url_is_refused_without_its_words(tmp_path: Path, url: str) -> None:
    file = tmp_path / "url"
    file.write_bytes(url.encode("utf-8", "surrogateescape"))
    try:
        target = read_target(file)
    except HeadgateError as error:
        message = str(error)
        assert message.startswith(f"auth.database_url_file: the URL in {file} ")
        assert "write it on one line as postgresql://" in message
        assert message.isprintable()
    else:
        message = repr(target)
    assert not any(part in message for part in ("can@ary", "ary@", "canary", "can%", "can/"))


@given(st.text(max_size=40))
@example("\x1f")
def test_any_text_is_a_url_or_refused(text: str) -> None:
    for url in (text, f"postgresql://{text}", f"postgresql://u:{text}@h/d"):
        try:
            shown = parse(url, FILE).location
        except HeadgateError as error:
            shown = str(error)
        assert shown.isprintable()


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    config = Config(auth=Auth(database_url_file=tmp_path / "nothing"))
    for use in (open_identity_store, identity_store_location, identity_store_warnings):
        with pytest.raises(HeadgateError, match="nothing cannot be read: No such file"):
            use(config)
    file = tmp_path / "url"
    file.write_text("x" * 20_000)
    with pytest.raises(HeadgateError, match="has more than one line"):
        read_target(file)
    file.write_text("postgresql://u:canary@db.internal/keys?sslmode=require\n")
    config = Config(auth=Auth(database_url_file=file))
    assert identity_store_location(config) == "postgresql://db.internal/keys"
    (warning,) = identity_store_warnings(config)
    assert "any server is taken for it" in warning


def test_a_driver_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def without_psycopg(name: str, *rest: Any, **more: Any) -> Any:
        if name.partition(".")[0] == "psycopg":
            raise ImportError(name)
        return imported(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without_psycopg)
    file = tmp_path / "url"
    file.write_text("postgresql://localhost/keys")
    with pytest.raises(HeadgateError, match=r"pip install 'headgate\[postgresql\]'"):
        open_identity_store(Config(auth=Auth(database_url_file=file)))
