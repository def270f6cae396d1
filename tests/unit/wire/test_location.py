"""Where redirects lead: to the gate, or to the public network, never to a place inside."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headgate.wire.location import location_line, public_location
from headgate.wire.origin import Origin

INTERNAL = frozenset({"127.0.0.1:5000", "mlflow.internal:80", "[::1]:5000", "mlflow.internal:443"})
BASE = "https://gate.example"


def shown(location: str, prefix: str = "/mlflow", base: str = BASE) -> str | None:
    public = public_location(location.encode("latin-1"), INTERNAL, base, prefix)
    return public if public is None else public.decode("ascii")


@pytest.mark.parametrize(
    ("location", "public"),
    [
        ("/a/b?c=d#e", "/mlflow/a/b?c=d#e"),
        ("/", "/mlflow/"),
        ("/a%2Fb?next=//x", "/mlflow/a%2Fb?next=//x"),
        ("a/b", "a/b"),
        ("../b", "../b"),
        ("?c=d", "?c=d"),
        ("#e", "#e"),
        ("http://127.0.0.1:5000/a?b#c", BASE + "/mlflow/a?b#c"),
        ("http://127.0.0.1:5000", BASE + "/mlflow/"),
        ("http://127.0.0.1:5000?a", BASE + "/mlflow/?a"),
        ("HTTP://127.0.0.1:5000/A", BASE + "/mlflow/A"),
        ("http://[::1]:5000/a", BASE + "/mlflow/a"),
        ("http://MLflow.Internal/a", BASE + "/mlflow/a"),
        ("https://mlflow.internal/a", BASE + "/mlflow/a"),
        ("//mlflow.internal/a", BASE + "/mlflow/a"),
        ("http://user:word@127.0.0.1:5000/a", BASE + "/mlflow/a"),
        ("https://bucket.s3.amazonaws.com/key?X-Amz-Signature=1", None),
    ],
)
def test_rewritten(location: str, public: str | None) -> None:
    """The client's own address for what MLflow calls its own; the rest as MLflow wrote it."""
    assert shown(location) == (location if public is None else public)


def test_without_a_prefix_or_a_host() -> None:
    """An HTTP/1.0 client may not say which authority it used; a path is all it can be given."""
    assert shown("/a", prefix="") == "/a"
    assert shown("http://127.0.0.1:5000/a", prefix="") == BASE + "/a"
    assert shown("http://127.0.0.1:5000/a", base="") == "/mlflow/a"


@pytest.mark.parametrize(
    ("host", "line"),
    [
        (b"gate.example:8443", b"Location: https://gate.example:8443/mlflow/a\r\n"),
        (b"", b"Location: /mlflow/a\r\n"),
    ],
)
def test_as_a_line_of_a_head(host: bytes, line: bytes) -> None:
    origin = Origin("192.0.2.7", "https", host, b"")
    assert location_line(b"http://127.0.0.1:5000/a", INTERNAL, origin, b"/mlflow") == line
    assert location_line(b"http://10.0.0.5/a", INTERNAL, origin, b"/mlflow") == b""


@pytest.mark.parametrize(
    "location",
    [
        # inside, by address
        *("http://10.0.0.5/a", "http://192.168.1.1:5000/", "http://169.254.169.254/latest"),
        *("http://127.0.0.1/", "http://127.0.0.1:5001/a", "http://[::1]/", "http://[fd00::1]/"),
        *("http://[::ffff:10.0.0.1]/", "http://0.0.0.0/", "http://100.64.0.1/", "//10.0.0.5/a"),
        # inside, by an address as browsers read it and this library does not
        *("http://127.1/", "http://2130706433/", "http://0x7f.1/", "http://0177.0.0.1/"),
        *("http://127.0.0.1./", "http://0x7f000001/", "http://10.0.0.05/"),
        # inside, by name
        *("http://mlflow/a", "http://localhost/", "http://mlflow.local/", "http://a.internal/"),
        *(
            "http://x.localhost/",
            "http://LOCALHOST:5000/",
            "http://localhost./",
            "http://a.local./",
        ),
        *("http://mlflow.default.svc/", "http://mlflow.ns.svc.cluster.local/", "http://nas.lan/"),
        *("http://nas.home.arpa/", "http://user@mlflow/"),
        # nowhere that a response may lead
        *("javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "http:///a", "http:a"),
        *("http://[::1", "http://a:b/", "http://a.example:99999/"),
        # a path to this library, another host to a browser
        *("///other.example/", "////other.example", "/\\other.example", "\\\\other.example"),
        *("http://127.0.0.1:5000//other.example/", "http://127.0.0.1:5000//"),
        *("/\t/other.example", "\t//other.example", "/ /other.example", "http://\tother.example"),
        *("http://other.example\\@127.0.0.1:5000/", "http:\\\\other.example", "/a\\..\\b"),
        # no URI reference
        *("", " ", "/\xe9", "/a b", "/a\x7f"),
    ],
)
def test_not_shown(location: str) -> None:
    assert shown(location) is None
    assert shown(location, prefix="") is None


pieces = st.sampled_from(
    [
        *(
            "/",
            "//",
            "\\",
            "\t",
            "?",
            "#",
            "@",
            ":",
            "http:",
            "https:",
            "a",
            "..",
            ".",
            "%2F",
            "[",
            "]",
        ),
        *("127.0.0.1:5000", "mlflow.internal", "other.example", "10.0.0.1", "[::1]:5000", "user"),
    ]
)


@given(st.lists(pieces, max_size=8).map("".join), st.sampled_from(["", "/mlflow"]))
@example("http://127.0.0.1:5000//other.example", "")
def test_a_client_without_redirect_to_elsewhere_stays(location: str, prefix: str) -> None:
    """Read as a browser reads it, a response leads to the gate or to a host that MLflow named."""
    public = shown(location, prefix)
    if public is None:
        return
    assert public.isascii()
    assert not set(public) & set(" \t\r\n\\")
    leads_to = urlsplit(urljoin(BASE + "/mlflow/runs", public)).hostname
    if leads_to != "gate.example":
        assert (public, leads_to) == (location, urlsplit(location).hostname)
        assert leads_to not in ("10.0.0.1", "127.0.0.1", "::1", "mlflow.internal")
    elif location.startswith("/"):
        assert public.startswith((prefix + "/", BASE + prefix + "/"))
        assert not public.startswith("//")
