"""Which paths lead out of their folder, in whatever spelling."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.shields.traversal import is_unsafe_file, is_unsafe_identifier, is_unsafe_path
from headgate.wire.escapes import MAX_DECODINGS

C0 = "".join(map(chr, range(0x21)))
SEGMENTS = st.text(st.characters(codec="utf-8", exclude_characters="/\\%:\0\t\r\n")).filter(
    # What urlparse drops, on which MLflow's decoding rests, is not what makes a segment climb.
    lambda text: re.split("[;?#]", text.strip(C0))[0] not in ("", ".", "..")
)


def encoded(path: str, times: int, safe: str = "") -> str:
    for _ in range(times):
        path = quote(path, safe=safe)
    return path


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../secret",
        "a/..",
        "a/../../b",
        "/etc/passwd",
        "a\\..\\b",
        "C:/Windows",
        "c:",
        "file:/etc/passwd",
        "file:///etc/passwd",
        "http://elsewhere/x",
        "a\0.png",
        "FILE:x",
        "\\etc",
        "\\\\server\\share",
        "C:\\Windows",
        "a\\..",
        ".\t./b",
        " /etc/passwd",
        "\x1f\t/etc/passwd",
        "../;x",
        "..;/x",
        "a/..?",
        "a/..#",
        "a%2fb",
        "a%5cb",
        "%2Fetc",
        "a%252Fb",
        "%2509/etc",
        "images/dogs%step%3%timestamp%1720000000000%2f..%2fb.png",
        "%2e%2e/b",
        "a%2f..%2fb",
        "%252e%252e%252fb",
        "%5c..%5c",
        "a%00",
    ],
)
def test_what_leads_out(path: str) -> None:
    assert is_unsafe_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "model",
        "1/0123456789abcdef0123456789abcdef/artifacts/model/MLmodel",
        "a..b/..c/d..",
        "...",
        "a b/ä ö.png",
        "100%.txt",
        "50%25.txt",
        "step:1/x",
        "model.pkl/",
        "k:1",
        "a\\b.txt",
        "tab\there.txt",
        "a\x85b",
        "a;b.txt",
        "a%17b",
        "a%0ab",
        "images/dogs%step%3%timestamp%1720000000000%a1111111-2222-4333-8444-555555555555.png",
        "images/dogs%step%2500%timestamp%1720000000000%g1111111-2222-4333-8444-555555555555.png",
        "images/a%step%3%timestamp%17%2f111111-2222-4333-8444-555555555555%compressed.webp",
    ],
)
def test_what_clients_send(path: str) -> None:
    assert not is_unsafe_path(path)


@given(st.lists(SEGMENTS, min_size=1), st.integers(0, MAX_DECODINGS - 2))
def test_a_plain_path_is_plain_however_often_it_is_encoded(segments: list[str], times: int) -> None:
    path = "/".join(segments)
    assert not is_unsafe_path(encoded(path, times, safe="/"))
    assert is_unsafe_path(encoded(f"{path}/b", times + 1))


@given(
    st.lists(SEGMENTS),
    st.sampled_from(["..", "\0", "../..", "..\\..", "..;"]),
    st.lists(SEGMENTS),
    st.integers(0, 20),
)
def test_what_is_hidden_is_found_however_often_it_is_encoded(
    before: list[str], bad: str, after: list[str], times: int
) -> None:
    """Past the number of decodings that are made, everything still encoded is refused."""
    assert is_unsafe_path(encoded("/".join([*before, bad, *after]), times))


@given(st.text(), st.integers(0, 12))
def test_no_decoding_of_what_passes_leads_out(text: str, times: int) -> None:
    """Decoded once, twice or until nothing changes, it is a path below the folder."""
    path = encoded(text, times)
    if is_unsafe_path(path):
        return
    for _ in range(times + 12):
        assert ".." not in path.split("/")
        assert not posixpath.isabs(path)
        assert posixpath.normpath(posixpath.join("/store", path)).startswith("/store")
        path = unquote(path)


@pytest.mark.parametrize(
    "path",
    [
        *("/home/ada/model.bin", "model.bin", "../up/model.bin", "C:\\Users\\ada\\model.bin"),
        *("/data/a b%2f.bin", "/a/...", "/data/..x", "file:///x/y.bin", "/a/\tb"),
    ],
)
def test_a_file_that_a_client_uploads_in_parts(path: str) -> None:
    """Wherever it lies there; the name that MLflow gives the object is its last segment."""
    assert not is_unsafe_file(path)


@pytest.mark.parametrize(
    "path",
    ["", "/", "a/", "..", "/a/..", "/a/.", "C:\\a\\..", "..\\..\\b", "x/..\\b", "C:\\a\\", "/a\0b"],
)
def test_a_last_segment_that_is_no_name(path: str) -> None:
    assert is_unsafe_file(path)


@pytest.mark.parametrize("identifier", ["../x", "a/b", "..", "a%2fb", "a b", "", "x" * 257])
def test_what_is_no_identifier(identifier: str) -> None:
    """An empty one is what a client sends that names none."""
    assert is_unsafe_identifier(identifier) is bool(identifier)


@pytest.mark.parametrize("identifier", ["0", "0123456789abcdef0123456789abcdef", "m-4f", "a_b-c"])
def test_what_is_an_identifier(identifier: str) -> None:
    assert not is_unsafe_identifier(identifier)
