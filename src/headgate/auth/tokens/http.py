"""The adapter of httpx2: fetches a document over HTTPS, within limits.

It blocks, so it runs in a thread of its own.  Redirects are not followed: what decides on who may
enter comes from the place that the configuration, or the discovery document, names.
``HTTPS_PROXY`` and ``NO_PROXY`` apply; a proxy sees no more than a tunnel.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from headgate import __version__
from headgate.errors import HeadgateError

MOST_BYTES: Final = 1024 * 1024
STEP_SECONDS: Final = 4.0
"""For each of: connecting, sending, and the next piece of the response."""
TOTAL_SECONDS: Final = 10.0


def fetch(url: str, ca: Path | None, fields: Mapping[str, str]) -> bytes:
    """The document at ``url``.

    Args:
        url: where.
        ca: the certificate authorities to trust; ``None``: the system's.
        fields: header fields to send.

    Raises:
        HeadgateError: it cannot be fetched within the limits.
    """
    import httpx2  # noqa: PLC0415 - an extra, and slow to import

    deadline = time.monotonic() + TOTAL_SECONDS
    sent = {
        "Accept": "application/json",
        "Accept-Encoding": "identity",  # a compressed document could be larger than its bytes
        "User-Agent": f"headgate/{__version__}",
        **fields,
    }
    try:
        with (
            httpx2.Client(
                verify=authorities(ca),
                timeout=STEP_SECONDS,
                follow_redirects=False,
                # Without TLS a proxy could answer in the place of this machine.
                trust_env=url.startswith("https:"),
            ) as client,
            client.stream("GET", url, headers=sent) as response,
        ):
            if response.is_redirect:
                raise HeadgateError(
                    f"{url} redirects to another place; name that place in the configuration"
                )
            if response.status_code != 200:
                raise HeadgateError(f"{url} responded {response.status_code}")
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise HeadgateError(f"{url} sent a compressed document, which nobody asked for")
            found = bytearray()
            for piece in response.iter_raw():
                found += piece
                if len(found) > MOST_BYTES:
                    raise HeadgateError(f"{url} sent more than {MOST_BYTES // 1024} KiB")
                if time.monotonic() > deadline:
                    raise HeadgateError(f"{url} took more than {TOTAL_SECONDS:g} s")
            return bytes(found)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        why = str(error) or type(error).__name__
        raise HeadgateError(f"{url} cannot be fetched: {why[:200]}") from None


def authorities(ca: Path | None) -> ssl.SSLContext:
    """The context that trusts the authorities in a file; ``None``: the system's.

    Raises:
        HeadgateError: the file cannot be read, or holds no certificate.
    """
    try:
        return ssl.create_default_context(cafile=None if ca is None else str(ca))
    except ssl.SSLError:
        raise HeadgateError(f"{ca} contains no certificate in PEM format") from None
    except OSError as error:
        raise HeadgateError(f"{ca} cannot be read: {error.strerror or error}") from None
