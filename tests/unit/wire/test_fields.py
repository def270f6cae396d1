"""Which fields of a client never travel on, however they are spelled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.wire.request import read_request


def words(text: str) -> list[str]:
    return text.split()


HOP_BY_HOP = words("""
    connection keep-alive proxy-connection proxy-authorization proxy-authenticate te trailer
    transfer-encoding upgrade http2-settings
""")
ORIGIN_OF_REQUEST = words("""
    forwarded via x-forwarded x-forwarded-by x-forwarded-client-cert x-forwarded-for
    x-forwarded-host x-forwarded-path x-forwarded-port x-forwarded-prefix x-forwarded-proto
    x-forwarded-protocol x-forwarded-scheme x-forwarded-server x-forwarded-ssl x-forwarded-uri
    x-original-uri x-original-url x-original-host x-rewrite-url x-real-ip x-client-ip
    x-cluster-client-ip true-client-ip cf-connecting-ip x-http-method-override x-method-override
    x-http-method script-name path-info x-script-name x-original-forwarded-for x-original-method
    x-envoy-external-address x-envoy-original-path x-azure-clientip x-host x-http-host-override
    x-scheme x-url-scheme front-end-https forwarded-for client-ip x-originating-ip fastly-client-ip
    proxy-client-ip wl-proxy-client-ip cf-connecting-ipv6
""")
IDENTITY = words("""
    authorization x-api-key remote-user remote-groups remote-email x-remote-user x-remote-groups
    x-forwarded-user x-forwarded-email x-forwarded-groups x-forwarded-preferred-username
    x-forwarded-access-token x-forwarded-roles x-auth-request-user x-auth-request-email
    x-auth-request-groups x-auth-request-access-token x-user x-amzn-oidc-identity x-amzn-oidc-data
    x-goog-authenticated-user-email x-goog-iap-jwt-assertion x-ms-client-principal
    x-ms-client-principal-name x-webauth-user x-mlflow-authorization x-mlflow-assistant-delegation
    x-headgate-reason x-headgate-principal x-headgate-anything
    x-auth-user x-auth-username x-auth-token x-authenticated-user x-authenticated-userid
    x-authentik-username x-consumer-username x-credential-identifier x-pomerium-jwt-assertion
    x-ssl-client-dn ssl-client-cert x-client-cert x-user-id x-user-email x-username x-email x-groups
    x-roles x-principal x-vouch-user cf-access-authenticated-user-email tailscale-user-login
""")
NEVER_AS_SENT = [*ORIGIN_OF_REQUEST, *IDENTITY, "origin", "host"]
ONLY_WITH_HYPHENS = ["content-type", "content-length", "expect", "x-request-id", "traceparent"]


def spellings(name: str) -> st.SearchStrategy[str]:
    """``name`` in any case, with anything for a hyphen that some server may take for one."""
    hyphens = st.sampled_from("-_.-_.!#$%&'*+^`|~")
    letters = [
        hyphens if letter == "-" else st.sampled_from([letter, letter.upper()]) for letter in name
    ]
    return st.tuples(*letters).map("".join)


def forwarded(*fields: bytes) -> bytes:
    """What travels on of a request with ``fields``."""
    head = b"\r\n".join([b"POST /x HTTP/1.1", b"Host: gate", *fields, b"", b""])
    return read_request(head, 100).fields.lines


@given(st.sampled_from(NEVER_AS_SENT).flatmap(spellings))
def test_what_only_the_gate_may_say_is_removed_in_every_spelling(name: str) -> None:
    if name.lower() != "host":  # a second one is refused
        assert forwarded(b"%b: 127.0.0.1" % name.encode(), b"X-Other: kept") == b"X-Other: kept\r\n"


@pytest.mark.parametrize("name", [*NEVER_AS_SENT[:-1], *HOP_BY_HOP[1:7], *HOP_BY_HOP[8:]])
def test_the_usual_spellings_are_removed(name: str) -> None:
    """Lower, title and upper case, with hyphens and as WSGI writes them; none left to chance."""
    for spelling in (name, name.title(), name.upper(), name.upper().replace("-", "_")):
        assert forwarded(b"%b: x" % spelling.encode()) == b"", spelling


@given(st.sampled_from([*ONLY_WITH_HYPHENS, *HOP_BY_HOP, "host"]).flatmap(spellings))
def test_a_name_spelled_without_hyphens_is_no_second_chance(name: str) -> None:
    """``Content_Type`` is not Content-Type here, but would be to a WSGI server."""
    if not name.replace("-", "").isalnum():
        assert forwarded(b"%b: 5" % name.encode()) == b""


@pytest.mark.parametrize(
    "name",
    [
        "X-MLflow-Client-Version",
        "X-MLFLOW-WORKSPACE",
        "x-mlflow-experiment-id",
        "Range",
        "If-None-Match",
        "Content-Encoding",
        "X-Forward",  # begins like a forbidden name, and is none
        "Remote",
        "X_Custom_Name",
        "x.dotted",
        "X-B3-TraceId",
        "Viaduct",
    ],
)
def test_other_fields_travel_on_as_they_were_spelled(name: str) -> None:
    line = b"%b: some value" % name.encode()
    assert forwarded(line) == line + b"\r\n"
