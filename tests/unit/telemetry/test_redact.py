"""No key shows in a log, in whatever encoding it is sent: a canary in every place, any nesting."""

from __future__ import annotations

import base64
import binascii
import io
import json
import logging
import os
import re
import time
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.auth.keys.form import mint
from headgate.telemetry.access_log import AccessLog
from headgate.telemetry.event_log import JsonFormatter
from headgate.telemetry.redact import MASK, MASK_OF_TOKENS, without_keys
from tests.support.outcomes import an_outcome
from tests.support.signing import new_key, signed

keys = st.binary(min_size=32, max_size=32).map(mint)
plain = st.text(st.sampled_from("abcxyzh_g/.-%\\u0123456789 \"'"), max_size=12)

# The beginning of an escape, which may take a character of what comes behind it.
begun = st.sampled_from(
    ["%", "%%", "%0", "%2", "%4", "%6", "%25", "\\", "\\x", "\\x6", "\\u0", "\\u006"]
)


@st.composite
def encoded(draw: st.DrawFn, text: str) -> str:
    """A text in some nesting of percent-encoding and JSON escapes, of all or of some characters."""
    for _ in range(draw(st.integers(0, 3))):
        form = draw(st.sampled_from(["%{:02x}", "%{:02X}", "\\u{:04x}", "\\u{:04X}", "\\x{:02x}"]))
        chosen = draw(st.sets(st.integers(0, len(text) - 1), max_size=12) | st.just(None))
        text = "".join(
            form.format(ord(each)) if chosen is None or at in chosen else each
            for at, each in enumerate(text)
        )
        if len(text) > 400:
            break
    return text


@st.composite
def hidden(draw: st.DrawFn, key: str) -> str:
    """A key as a client may send it."""
    if draw(st.booleans()):
        user = draw(st.text(st.sampled_from("abcuser:@"), max_size=9))
        encode = draw(st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]))
        key = encode(f"{user}:{key}".encode()).decode()
    return draw(encoded(key))


def reveals(line: str, key: str) -> bool:
    """Whether any decoding of a line shows most of a key: this one goes round after round."""
    for _ in range(12):
        if key[3:30] in line:
            return True
        for run in re.findall(r"[A-Za-z0-9+/_\-]{24,}", line):
            standard = run.translate(str.maketrans("-_", "+/"))
            for skipped in range(4):
                usable = standard[skipped:]
                usable = usable[: len(usable) // 4 * 4]
                if key[3:30].encode() in binascii.a2b_base64(usable):
                    return True
        again = re.sub(
            r"\\+(?:u00|x)([0-9a-fA-F]{2})", lambda found: chr(int(found[1], 16)), unquote(line)
        )
        if again == line:
            return False
        line = again
    return False


@given(keys, st.data())
@settings(max_examples=400)
def test_no_encoding_of_a_key_stays(key: str, data: st.DataObject) -> None:
    text = json.dumps(data.draw(begun | plain) + data.draw(hidden(key)) + data.draw(plain))
    shown = without_keys(text)
    assert not reveals(shown, key)
    json.loads(shown)


@pytest.mark.parametrize("begun", ["%0", "%6", "%4", "\\u000", "\\x6"])
@pytest.mark.parametrize("user", ["", "r:", "ab:", "\xd8\x98:"])
def test_no_beginning_of_an_escape_saves_a_key_behind_it(begun: str, user: str) -> None:
    """It makes another character out of the first of the key's: ``%6`` and ``aGdf``."""
    key = mint(bytes(32))
    inside = base64.b64encode(user.encode("latin-1") + key.encode()).decode()
    for coded in (inside, "".join(f"%{ord(each):02x}" for each in inside)):
        shown = without_keys(json.dumps(begun + coded))
        assert not reveals(shown, key)
        json.loads(shown)


@given(keys, st.data())
@settings(max_examples=100)
def test_nor_in_a_line_of_the_access_log(key: str, data: st.DataObject) -> None:
    read, write = os.pipe()
    log = AccessLog(write, time.time)
    place = data.draw(st.sampled_from(["target", "user_agent", "detail", "principal"]))
    secret = data.draw(hidden(key))
    value: str | bytes = secret
    if place in ("target", "user_agent"):
        value = f"/{secret}".encode() if place == "target" else secret.encode()
    log.write(an_outcome(**{place: value}))
    log.close()
    os.close(write)
    with os.fdopen(read, "rb") as lines:
        line = lines.read().decode("ascii")
    assert not reveals(line, key)
    json.loads(line)


@given(keys, st.data())
@settings(max_examples=100)
def test_nor_in_an_event(key: str, data: st.DataObject) -> None:
    message = data.draw(hidden(key))
    record = logging.LogRecord("headgate", logging.INFO, "", 0, "%s", (message,), None)
    record.fields = {"detail": data.draw(hidden(key))}
    line = JsonFormatter().format(record)
    assert not reveals(line, key)
    json.loads(line)


@given(st.text())
def test_what_is_no_key_stays(text: str) -> None:
    quoted = json.dumps(text)
    shown = without_keys(quoted)
    assert shown == quoted or MASK in shown


@pytest.mark.parametrize(
    "text",
    [
        "/api/2.0/mlflow-artifacts/artifacts/1/a%20b/hg_results",
        "0123456789abcdef0123456789abcdef",
        "aGdf-hnX-oZ1-this-only-looks-like-it",
        "100%25",
        "%68%67%5fshort",
    ],
)
def test_a_plain_text_stays(text: str) -> None:
    assert without_keys(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "%25" * 20_000,
        "%" + "25" * 30_000,
        "\\" * 60_000 + "u0068",
        "hnX" * 20_000,
        "\\x5c" * 15_000,
        "eyJ" * 20_000,
        "eyJ." * 20_000,
        "eyJ" + ("a" * 12 + ".") * 5_000,
    ],
)
def test_no_text_takes_long(text: str) -> None:
    before = time.thread_time()
    without_keys(text)
    assert time.thread_time() - before < 0.5


def test_a_request_id_in_base64_is_masked(tmp_path: Path) -> None:
    key = mint(bytes(range(32)))
    path = tmp_path / "log"
    with path.open("wb") as file:
        log = AccessLog(file.fileno(), time.time)
        secret = base64.urlsafe_b64encode(f"me:{key}".encode()).rstrip(b"=")
        log.write(an_outcome(request_id=secret))
        log.close()
    assert not reveals(path.read_text("ascii"), key)
    assert io.StringIO(path.read_text("ascii")).readline().count(MASK) == 1


TOKEN = new_key("k", "ES256")
"""Signs tokens, of which no part may be logged."""


@given(
    st.dictionaries(st.text(max_size=9), st.text(max_size=9) | st.integers(), max_size=5),
    plain,
    plain,
    st.sampled_from([".", "%2E", "%2e", "%252E"]),
)
def test_no_token_stays(claims: dict[str, str | int], before: str, after: str, dot: str) -> None:
    token = signed({"alg": "ES256", "kid": "k"}, {"iss": "https://idp.example", **claims}, TOKEN)
    line = without_keys(json.dumps(f"{before} {token.replace('.', dot)} {after}"))
    assert MASK_OF_TOKENS in line
    assert not any(part in line for part in token.split("."))
    json.loads(line)


def test_a_token_that_was_cut_off_does_not_stay() -> None:
    head, claims, signature = signed({"alg": "ES256"}, {"sub": "me"}, TOKEN).split(".")
    for shown in (f"{head}.{claims}.{signature[:9]}", f"{head}.{claims}", f"{head}.{claims[:4]}"):
        for before in ("/api/", "Bearer%20", "a-long-name-of-a-file.", "a.b."):
            assert without_keys(f"{before}{shown}/x") == f"{before}{MASK_OF_TOKENS}/x"


@pytest.mark.parametrize("text", ["eyJ", "/eyJhbGciOiJFUzI1NiJ9/x", "heyJude.mp3", "eyJ.eyJ.eyJ"])
def test_what_is_no_token_stays(text: str) -> None:
    assert without_keys(text) == text
