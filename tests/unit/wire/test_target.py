"""One spelling for each path: what is decided on is what MLflow executes."""

from __future__ import annotations

import re
import string
from urllib.parse import quote, unquote, unquote_to_bytes

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from headgate.reasons import Reason
from headgate.wire.errors import ProtocolError
from headgate.wire.escapes import MAX_DECODINGS
from headgate.wire.target import MAX_PATH, Target, canonical_path, canonicalise

HOST = b"gate.example:8080"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts/1/abc/artifacts/"
NAMES = [
    *("model.pkl", "a b.txt", " leading", "trailing ", "naïve.csv", "模型/权重.bin", "e\u0301.txt"),
    *("a#b", "100%", "100% sure", "%", "a%zz", "a+b", "a&b=c", "it's", 'say "hi"', "[0](1){2}"),
    *("~home", "k=v,l=w", "user@host", "a:b", "a!b$c*", "a|b^c`d", "<tag>", "what?", ".hidden"),
    *("..data", "a..b", "...", "a.", "-", "_", "a/b/c", "emoji 🤖", "\u00a0", "\u202e", "C++"),
]


def test_plain_targets_stay_as_they_are() -> None:
    target = b"/api/2.0/mlflow/runs/get?run_id=a%2Fb&x=//../;"
    assert canonicalise(target, HOST) == Target(
        b"/api/2.0/mlflow/runs/get", b"?run_id=a%2Fb&x=//../;"
    )
    assert canonicalise(b"/", HOST) == Target(b"/", b"")
    assert canonicalise(b"/?", HOST) == Target(b"/", b"?")
    assert canonicalise(b"/a/", HOST) == Target(b"/a/", b"")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("safe", ["/", "/!$&'()*+,:=@~", ""])
def test_artifact_names_arrive_as_they_are(name: str, safe: str) -> None:
    """However much of a name its sender escaped, MLflow decodes it to that name."""
    if "/" in name and not safe:
        safe = "/"
    sent = (ARTIFACTS + quote(name, safe=safe)).encode()
    path = canonicalise(sent, HOST).path
    assert unquote(path.decode("ascii"), errors="strict") == ARTIFACTS + name
    assert canonicalise(path, HOST).path == path


@pytest.mark.parametrize(
    ("sent", "canonical"),
    [
        (b"/%61pi", b"/api"),
        (b"/api/2%2E0/x", b"/api/2.0/x"),
        (b"/%7Ea/%7ea", b"/~a/~a"),
        (b"/a%2Bb%2bc+d", b"/a+b+c+d"),
        (b"/a%20b", b"/a%20b"),
        (b"/a%c3%a9", b"/a%C3%A9"),
        (b"/a%3Fb%23c", b"/a%3Fb%23c"),
        (b"/a%25b", b"/a%25b"),
        (b'/"<>[]^`{|}', b"/%22%3C%3E%5B%5D%5E%60%7B%7C%7D"),
        (b"/a%3Ab%40c%3Dd%26e%2Cf%21g%27h%28i%29j%2A", b"/a:b@c=d&e,f!g'h(i)j*"),
    ],
)
def test_one_spelling(sent: bytes, canonical: bytes) -> None:
    """RFC 3986 section 6.2.2; the query is left alone."""
    query = b"?path=1%2F..%2Fartifacts&q=%41+%zz;//"
    assert canonicalise(sent + query, HOST) == Target(canonical, query)


AMBIGUOUS_PATHS = [
    # empty segments: MLflow serves //api as /api, and artifacts from another handler
    *(b"//", b"//api", b"/api//2.0", b"/a//", b"///", b"//gate.example/a"),
    # dot segments (RFC 3986 section 6.2.2.3)
    *(b"/.", b"/..", b"/./a", b"/../a", b"/a/.", b"/a/..", b"/a/./b", b"/a/../b"),
    *(b"/%2e", b"/%2E%2e/a", b"/.%2e/a", b"/a/%2e%2E", b"/a/%2e/b"),
    # encoded separators
    *(b"/a%2Fb", b"/a%2fb", b"/%2F", b"/%2Fapi", b"/a/..%2F..%2Fb", b"/a%5c..%5cb"),
    *(b"/..\\a", b"/a\\..", b"/a/.\\b"),
    # dot segments behind what some servers cut off or drop
    *(b"/..;/a", b"/.;x/a", b"/a/..;", b"/a/..%3F", b"/a/..%23", b"/a/.%09./b", b"/a/%0d/b"),
    *(b"/a%00b", b"/a\x00b"),
    # text that is not UTF-8, or not in its one way
    *(b"/%ff", b"/%C3", b"/%C3%28", b"/%C0%AF", b"/%c0%ae%c0%ae/a", b"/%E0%80%AF", b"/%ED%A0%80"),
    # escapes that are none
    *(b"/%", b"/%4", b"/%zz", b"/%%41", b"/a%2", b"/%u0041", b"/%-1", b"/% 1"),
    # the same, hidden from a single decoding
    *(b"/a%252Fb", b"/a%252fb", b"/%252e%252e/a", b"/a/%252e", b"/a%255Cb", b"/a%2500b"),
    *(b"/a%25252Fb", b"/%2525252e%25252e/a", b"/a%25%32%46b", b"/a/.%2509.", b"/..%253B/a"),
    *(b"/%25%2565%25%32%45/../", b"/%252E."),
    # fragments
    *(b"/a#b", b"/#", b"/a?b#c", b"/a%20b?c#d"),
]


@pytest.mark.parametrize("target", AMBIGUOUS_PATHS)
def test_ambiguous_paths_are_refused(target: bytes) -> None:
    with pytest.raises(ProtocolError) as refused:
        canonicalise(target, HOST)
    assert refused.value.reason is Reason.REQUEST_AMBIGUOUS


@pytest.mark.parametrize(
    ("sent", "canonical", "why"),
    [
        (b"/a;b", b"/a%3Bb", "semicolon"),
        (b"/a%3bb", b"/a%3Bb", "semicolon"),
        (b"/a%5cb", b"/a%5Cb", "backslash"),
        (b"/a\\b", b"/a%5Cb", "backslash"),
        (b"/a%09b", b"/a%09b", "control"),
        (b"/a\x7fb", b"/a%7Fb", "control"),
        (b"/a%0d%0ab", b"/a%0D%0Ab", "control"),
        (b"/a%C2%85b", b"/a%C2%85b", "control"),
        (b"/a%2517b", b"/a%2517b", ""),
        (b"/a%253Bb", b"/a%253Bb", ""),
    ],
)
def test_what_is_good_in_names_of_artifacts_alone(sent: bytes, canonical: bytes, why: str) -> None:
    """One decoding away from what was sent, and its own canonical form."""
    found = canonicalise(sent, HOST)
    assert found.path == canonical
    assert why in found.loose
    assert bool(found.loose) is bool(why)
    assert canonicalise(canonical, HOST) == found


def test_more_encodings_than_anybody_needs_are_refused() -> None:
    path = b"/a"
    for _ in range(MAX_DECODINGS):
        path = quote(path + b"%").encode()
    assert canonical_path(path) == (path, "")
    with pytest.raises(ProtocolError, match="too many times"):
        canonical_path(path.replace(b"%25", b"%2525", 1))


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"http://gate.example:8080/a", b"/a", b""),
        (b"HTTP://GATE.example:8080/A?b", b"/A", b"?b"),
        (b"https://gate.example:8080/a%20b", b"/a%20b", b""),
        (b"http://gate.example:8080", b"/", b""),
        (b"http://gate.example:8080?x=http://other/", b"/", b"?x=http://other/"),
        (b"http://gate.example:8080/?x", b"/", b"?x"),
    ],
)
def test_absolute_form_for_the_own_authority(target: bytes, path: bytes, query: bytes) -> None:
    """RFC 9112 section 3.2.2."""
    assert canonicalise(target, HOST) == Target(path, query)


@pytest.mark.parametrize(
    "target",
    [
        *(b"http://other/a", b"http://gate.example/a", b"http://gate.example:80/a"),
        *(b"http://user@gate.example:8080/a", b"http://gate.example:8080\\@other/a"),
        *(b"http://gate.example:8080//a", b"http://gate.example:8080/../a"),
        *(b"http://gate.example:8080/a#b", b"http://gate.example:8080#b"),
    ],
)
def test_absolute_form_for_others_is_refused(target: bytes) -> None:
    with pytest.raises(ProtocolError) as refused:
        canonicalise(target, HOST)
    assert refused.value.reason is Reason.REQUEST_AMBIGUOUS


@pytest.mark.parametrize("target", [b"http:///a", b"http://", b"http://?a", b"http://other/a"])
def test_absolute_form_without_host_is_refused(target: bytes) -> None:
    """An http URI must name a host (RFC 9110 section 4.2.1); HTTP/1.0 may bring no Host."""
    with pytest.raises(ProtocolError):
        canonicalise(target, b"")


@pytest.mark.parametrize(
    "target",
    [
        b"*",
        b"",
        b"a",
        b"?a",
        b"a/b",
        b"ftp://gate.example:8080/",
        b"http:/a",
        b"http:///a",
        b"http://",
        b"gate.example:8080",
    ],
)
def test_other_forms_are_refused(target: bytes) -> None:
    """RFC 9112 sections 3.2.3 and 3.2.4: authority-form and asterisk-form lead nowhere here."""
    with pytest.raises(ProtocolError):
        canonicalise(target, HOST)


PIECES = (
    *(b"/", b"/", b"a", b"api", b".", b"..", b"%", b"%2", b"%2F", b"%2f", b"%5C", b"%2e", b"%25"),
    *(b"%00", b"%41", b"%c3%a9", b"%C3", b"\xc3\xa9", b";", b"%3B", b"?", b"#", b"&", b"=", b"+"),
    *(b" ", b"~", b"\\", b"http://", HOST, b"\xff", b"\x00", b"2565", b"252F", b"%7F", b":"),
)
targets = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=2)), max_size=10).map(
    lambda pieces: b"/" + b"".join(pieces)
)


@given(targets)
@example(b"/%2525")
def test_canonical_is_canonical_and_means_the_same(target: bytes) -> None:
    """Whatever is accepted: canonicalising again changes nothing, and one decoding gives the same.

    The query is what was sent, to the byte.
    """
    try:
        found = canonicalise(target, HOST)
    except ProtocolError:
        return
    path, mark, query = target.partition(b"?")
    assert found.query == mark + query
    assert unquote_to_bytes(found.path) == unquote_to_bytes(path)
    assert canonicalise(found.path + found.query, HOST) == found
    assert set(found.path.decode("ascii")) <= set(
        string.ascii_letters + string.digits + "/-._~%!$&'()*+,:=@"
    )


@given(targets)
def test_no_number_of_decodings_finds_what_one_does_not(target: bytes) -> None:
    """A server that decodes again and again meets no new segment, and none that climbs."""
    try:
        decoded = unquote_to_bytes(canonicalise(target, HOST).path)
    except ProtocolError:
        return
    depth = decoded.count(b"/") + decoded.count(b"\\")
    for _ in range(12):
        assert decoded.count(b"/") + decoded.count(b"\\") == depth
        assert not {b".", b".."} & set(re.split(rb"[/\\]", decoded))
        assert 0 not in decoded
        decoded = unquote_to_bytes(decoded)


@given(
    st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\"), min_size=1)
)
def test_any_name_without_separators_arrives(name: str) -> None:
    """Unless a second decoding of it would be dangerous, which its own text must then show."""
    assume(re.split("[;?#]", name)[0] not in (".", ".."))
    try:
        path = canonicalise(b"/" + quote(name, safe="").encode(), HOST).path
    except ProtocolError:
        assert "%" in name
        assert unquote(name) != name
    else:
        assert unquote(path.decode()) == "/" + name


def test_a_long_path_is_refused_with_414() -> None:
    with pytest.raises(ProtocolError, match="the path is over") as caught:
        canonicalise(b"/" + b"a" * MAX_PATH, HOST)
    assert caught.value.status == 414
