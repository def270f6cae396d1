"""Where the signing keys of an issuer come from: discovery, a URL, or a file.

Discovery is OpenID Connect Discovery 1.0 section 4: the document must name this very issuer, which
keeps one issuer from speaking for another (RFC 9700 section 4.4, mix-up).  The keys may be on
any host that it names (Google's are), over HTTPS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from headgate.auth.tokens.http import fetch
from headgate.auth.tokens.key_set import KeySet, read_key_set
from headgate.config import Issuer
from headgate.config.issuers import is_loopback_host
from headgate.errors import HeadgateError
from headgate.wire.strict_json import JsonError, read_object

Fetch = Callable[[str, Path | None, Mapping[str, str]], bytes]
"""See ``headgate.auth.tokens.http.fetch``."""
_MOST_TOKEN_BYTES: Final = 64 * 1024


class KeySource:
    """Reads the keys of one issuer; blocks while it does.

    Args:
        settings: of the issuer.
        fetch: fetches a document.
    """

    def __init__(self, settings: Issuer, fetch: Fetch = fetch) -> None:
        self._settings = settings
        self._fetch = fetch

    @property
    def place(self) -> str:
        """Where the keys come from, for people."""
        return self._settings.source_url or str(self._settings.jwks_file)

    @property
    def file(self) -> Path | None:
        """The file that the keys are in, if they are in one."""
        return self._settings.jwks_file

    def is_for(self, settings: Issuer) -> bool:
        """Whether an issuer with these settings has its keys at the same place."""
        mine = self._settings
        return all(
            getattr(mine, name) == getattr(settings, name)
            for name in ("issuer", "source_url", "jwks_url", "jwks_file", "ca", "token_file")
        )

    def read(self) -> KeySet:
        """The keys as they are now.

        Raises:
            HeadgateError: they cannot be read, or what is there is no key set.
        """
        if self._settings.jwks_file is not None:
            return _of(str(self._settings.jwks_file), _file(self._settings.jwks_file))
        url = self._settings.jwks_url or self._discovered()
        return _of(url, self._fetch(url, self._settings.ca, self._fields(url)))

    def _discovered(self) -> str:
        """``jwks_uri`` of the discovery document."""
        url = self._settings.source_url
        content = self._fetch(url, self._settings.ca, self._fields(url))
        try:
            document = read_object(content)
        except JsonError as error:
            raise HeadgateError(f"{url} {error}: is it an issuer?") from None
        if document.get("issuer") != self._settings.described_as:
            raise HeadgateError(
                f"{url} describes another issuer, {str(document.get('issuer'))[:100]!r}, not "
                f"{self._settings.described_as!r}: the two have to be equal"
            )
        found = document.get("jwks_uri")
        if not isinstance(found, str) or not self._is_safe(found):
            raise HeadgateError(f"{url} has no 'jwks_uri' that begins with https")
        return found

    def _is_safe(self, url: str) -> bool:
        try:
            parts = urlsplit(url)
            parts.port  # noqa: B018 - raises ValueError for one that is no port
        except ValueError:
            return False
        if parts.scheme == "https":
            return bool(parts.hostname)
        # Only an issuer that is on this machine by the configuration itself.
        is_local = urlsplit(self._settings.source_url).scheme == "http"
        return parts.scheme == "http" and is_local and is_loopback_host(parts.hostname or "")

    def _fields(self, url: str) -> dict[str, str]:
        """What to send; the token only to the place that the configuration names."""
        file = self._settings.token_file
        if file is None or _origin(url) != _origin(self._settings.source_url):
            return {}
        token = _file(file)[:_MOST_TOKEN_BYTES].decode("ascii", "replace").strip()
        if not token or not token.isascii() or not token.isprintable():
            raise HeadgateError(f"{file} has no token of printable ASCII characters in it")
        return {"Authorization": f"Bearer {token}"}


def _of(place: str, content: bytes) -> KeySet:
    try:
        return read_key_set(content)
    except HeadgateError as error:
        raise HeadgateError(f"{place}: {error}") from None


def _file(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise HeadgateError(f"{file} cannot be read: {error.strerror or error}") from None


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port
