"""``headgate check``: the problems of the configuration, or a summary of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from functools import partial

from headgate.cli import address
from headgate.cli.command import AsJson, ConfigFile
from headgate.cli.output import document, tell
from headgate.config import AuthMode, Config, exposed_secrets, key_digests, load
from headgate.config.networks import Network
from headgate.errors import ConfigError, HeadgateError, Problem
from headgate.stores import identity_store_location, identity_store_warnings


def check(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List all problems of the configuration, or summarise it."""
    settings = load(config, os.environ)
    if problems := unfit_files(settings):
        raise ConfigError(problems)
    found = warnings(settings)
    for warning in found:
        tell(f"headgate: warning: {warning}")
    if as_json:
        print(document({"warnings": found, **facts(settings)}))
        return
    for name, value in summary(settings):
        print(f"{name:<11} {value}")


def unfit_files(config: Config) -> list[Problem]:
    """The problems of files that can be read but are invalid, so that no gate would start."""
    # `keys` and `explain` import this module and need none of these.
    from headgate.auth.tokens.http import authorities  # noqa: PLC0415
    from headgate.auth.tokens.key_source import KeySource  # noqa: PLC0415
    from headgate.runtime.tls import ListenerTls  # noqa: PLC0415
    from headgate.upstreams.credentials import own_authorization  # noqa: PLC0415
    from headgate.upstreams.tls import upstream_context  # noqa: PLC0415

    tries: list[tuple[str, Callable[[], object]]] = []
    if config.listen.tls is not None:
        tries.append(("listen.tls", partial(ListenerTls, config.listen.tls)))
    for name, upstream in config.upstreams.items():
        tries += [
            (f"upstreams.{name}.tls", partial(upstream_context, upstream)),
            (f"upstreams.{name}.credentials", partial(own_authorization, upstream.credentials)),
        ]
    tries += [
        (f"auth.issuers.{name}.jwks_file", KeySource(issuer).read)
        for name, issuer in config.auth.issuers.items()
        if issuer.jwks_file is not None
    ]
    tries += [
        (f"auth.issuers.{name}.ca", partial(authorities, issuer.ca))
        for name, issuer in config.auth.issuers.items()
        if issuer.ca is not None
    ]
    otlp = config.telemetry.otlp
    if otlp.endpoint is not None:
        from headgate.telemetry.otlp.connection import connect_to  # noqa: PLC0415

        connect = partial(connect_to, otlp.endpoint, otlp, os.environ)
        tries.append(("telemetry.otlp", connect))
    found = []
    for setting, attempt in tries:
        try:
            attempt()
        except HeadgateError as error:
            found.append(Problem(setting, str(error)))
    return found


def warnings(config: Config) -> list[str]:
    """Warnings that do not keep a gate with this configuration from starting.

    Raises:
        HeadgateError: the key store is so unsafe that no gate would start.
    """
    found = [str(problem) for problem in exposed_secrets(config)]
    found += [str(problem) for problem in key_digests.ended(config.auth.break_glass)]
    found += [
        f"{setting}: {network} is every address, so that each client that reaches the listener may "
        "name another as its own; list the networks of the proxies"
        for setting, networks in required_headers(config)
        for network in networks
        if network.prefixlen == 0
    ]
    found += [
        f"{setting}: the certificate in {text}"
        for setting, text, expires_soon in _certificates(config)
        if expires_soon
    ]
    if config.auth.mode is AuthMode.KEYS:
        found += identity_store_warnings(config)
    return found


def required_headers(config: Config) -> list[tuple[str, Sequence[Network]]]:
    """Each setting that requires PROXY protocol of a listener, with its networks."""
    settings = (
        ("listen.proxy_protocol", config.listen.proxy_protocol),
        ("ops.proxy_protocol", config.ops.proxy_protocol),
    )
    return [(name, networks) for name, networks in settings if networks]


def _certificates(config: Config) -> list[tuple[str, str, bool]]:
    """Each certificate: its setting, its expiry as text, and whether it expires soon."""
    from headgate.runtime.certificates import validities  # noqa: PLC0415 - see ``unfit_files``

    now = time.time()
    return [
        (each.setting, f"{each.file} {each.text(now)}", each.is_due(now))
        for each in validities(config)
    ]


def facts(config: Config) -> dict[str, object]:
    """A summary of the configuration, for programs."""
    listen = config.listen
    keys = config.auth.mode is AuthMode.KEYS
    return {
        "listen": _where(config),
        "workers": listen.workers,
        "proxy_protocol": {
            setting: [str(each) for each in networks]
            for setting, networks in required_headers(config)
        },
        "clients_need_a_key": keys,
        "key_store": identity_store_location(config) if keys else None,
        "issuers": {
            name: {"issuer": issuer.issuer, "keys": issuer.source_url or str(issuer.jwks_file)}
            for name, issuer in config.auth.issuers.items()
        },
        "upstreams": {
            name: {"url": upstream.url, "prefixes": list(upstream.prefixes)}
            for name, upstream in config.upstreams.items()
        },
        "access_log": config.log.access,
    }


def _where(config: Config) -> str:
    listen = config.listen
    return address.url(listen.host, listen.port, "http" if listen.tls is None else "https")


def summary(config: Config) -> list[tuple[str, str]]:
    """A summary of the configuration, as labels and values for people."""
    listen = config.listen
    keys = config.auth.mode is AuthMode.KEYS
    or_token = ", or a token" if config.auth.issuers else ""
    lines = [
        ("listen", f"{_where(config)}, {_count(listen.workers, 'worker')}"),
        (
            "clients",
            f"need a key of {identity_store_location(config)}{or_token}" if keys else "need no key",
        ),
    ]
    lines += [
        ("proxies", f"must send PROXY protocol: {setting}; all other connections are closed")
        for setting in map(_in_words, required_headers(config))
    ]
    for name, issuer in config.auth.issuers.items():
        place = issuer.source_url or str(issuer.jwks_file)
        lines.append(("tokens", f"{name}: of {issuer.issuer}, its keys from {place}"))
    for name, upstream in config.upstreams.items():
        prefixes = " ".join(prefix or "/" for prefix in upstream.prefixes)
        lines.append(("upstream", f"{name}: {upstream.url}, reached under {prefixes}"))
    lines += [
        ("certificate", text) for _, text, expires_soon in _certificates(config) if not expires_soon
    ]
    lines.append(("access log", "on standard output" if config.log.access else "off"))
    return lines


def _in_words(required: tuple[str, Sequence[Network]]) -> str:
    setting, networks = required
    return f"{' '.join(map(str, networks))} ({setting})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
