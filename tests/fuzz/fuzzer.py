"""A small mutational fuzzer: deterministic for a seed, led on by outcomes it has not yet seen."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.targets import TARGETS, outcome

SEEDS = Path(__file__).with_name("seeds")
MAX_BYTES = 4096
# What parsers are known to stumble over (HTTP Garden, h1 request smuggling reports).
SCRAPS = (
    *(b"\r", b"\n", b"\r\n", b"\n\r", b"\r\r\n", b"\r\n\r\n", b"\n\n", b" ", b"\t", b"\x00"),
    *(b"\x0b", b"\x0c", b"\x1f", b"\x7f", b"\x80", b"\x85", b"\xa0", b"\xff", b":", b" :", b": "),
    *(b",", b";", b";;", b"=", b'"', b"\\", b"/", b"//", b"/./", b"/../", b"..", b"%", b"%25"),
    *(
        b"%2e",
        b"%2F",
        b"%5c",
        b"%00",
        b"%c0%af",
        b"%252f",
        b"#",
        b"?",
        b"@",
        b"*",
        b"_",
        b"+",
        b"-",
    ),
    *(
        b"0",
        b"1",
        b"5",
        b"0x",
        b"00000000000000000000",
        b"18446744073709551616",
        b"ffffffffffffffff",
    ),
    *(
        b"HTTP/1.1",
        b" HTTP/1.1\r\n",
        b"HTTP/1.0",
        b"HTTP/0.9",
        b"HTTP/2.0",
        b"RTSP/1.0",
        b"ICE/1.0",
    ),
    *(
        b"GET",
        b"HEAD",
        b"POST",
        b"CONNECT",
        b"TRACE",
        b"OPTIONS",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ),
    *(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n", b"http://", b"https://a:80", b"http://127.0.0.1:5000"),
    *(b"Host: a\r\n", b"Host:\r\n", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"chunked"),
    *(
        b"Content_Length: 7\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding:\r\n",
        b"gzip",
    ),
    *(b"Transfer-Encoding: identity\r\n", b"Connection: close\r\n", b"Connection: host\r\n"),
    *(
        b"Connection: keep-alive, x\r\n",
        b"Upgrade: h2c\r\n",
        b"Expect: 100-continue\r\n",
        b"X:\r\n",
    ),
    *(b"X-Forwarded-For: 10.0.0.2\r\n", b"X_Forwarded_For: 1.1.1.1\r\n", b"Location: /x\r\n"),
    *(
        b"0\r\n\r\n",
        b"5\r\nhello\r\n",
        b"5;a=b\r\nhello\r\n",
        b"0\r\nX: y\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n",
    ),
    *(b'"alg":"none",', b'"exp":1,', b"1e999", b"-1", b"true", b"null", b"[", b"{}", b"\\ud800"),
)


class Defect(NamedTuple):
    """An input that was neither accepted nor cleanly refused."""

    target: str
    data: bytes
    error: Exception

    def keep(self) -> Path:
        """Put the input among the seeds, so that it is tried ever after."""
        digest = hashlib.sha256(self.data).hexdigest()[:12]
        path = SEEDS / self.target / f"found-{digest}"
        path.write_bytes(self.data)
        return path


def seeds(target: str) -> list[Path]:
    """The kept inputs of a target."""
    return sorted(path for path in (SEEDS / target).iterdir() if path.is_file())


def fuzz(runs: int, seed: int) -> Iterator[Defect]:
    """Try ``runs`` inputs on each target in turn; the same ``seed`` tries the same ones."""
    for target in TARGETS:
        defect = _fuzz_one(target, runs, random.Random(f"{seed} {target}"))  # noqa: S311 - no secret
        if defect is not None:
            yield defect


def _fuzz_one(target: str, runs: int, rng: random.Random) -> Defect | None:
    """The first defect of one target, if there is one."""
    pool = [path.read_bytes() for path in seeds(target)]
    seen = {outcome(target, data) for data in pool}
    for _ in range(runs):
        data = _mutated(rng.choice(pool), pool, rng)
        try:
            label = outcome(target, data)
        except Exception as error:  # noqa: BLE001 - any exception at all is what is looked for
            return Defect(target, data, error)
        if label not in seen:
            seen.add(label)
            pool.append(data)
    return None


def _mutated(data: bytes, pool: list[bytes], rng: random.Random) -> bytes:
    """``data`` with a few changes."""
    for _ in range(rng.choice((1, 1, 2, 3, 5))):
        at = rng.randint(0, len(data))
        end = min(len(data), at + rng.choice((0, 1, 1, 2, 4, 16)))
        choice = rng.random()
        if choice < 0.45:
            put = rng.choice(SCRAPS)
        elif choice < 0.6:
            put = bytes([rng.randrange(256)])
        elif choice < 0.7:
            put = data[at:end] * rng.choice((2, 3, 200))
        elif choice < 0.85:
            other = rng.choice(pool)
            begin = rng.randint(0, len(other))
            put = other[begin : begin + rng.choice((1, 4, 16, 64))]
        else:
            put = b""
        insert = rng.random() < 0.5
        data = data[:at] + put + data[at if insert else end :]
    return data[:MAX_BYTES]
