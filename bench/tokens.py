"""CPU time of a request with a token that is remembered, beside one with a key, at one gate."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from bench import wrk
from bench.peers.field import Subject, running, sink
from bench.peers.launch import placed
from bench.peers.order import TokenIssuer
from bench.peers.programs import Program
from bench.processes import usage
from bench.series import Better, Series, alternating
from bench.setting import Setting
from bench.targets import GATE
from tests.support.issuers import Issuer
from tests.support.signing import new_key

KEY = "headgate, a key"
CONNECTIONS = 8
SECONDS = 2
CASES = {"alike": "GET, heads alike", "varied": "GET, each head different"}
AUDIENCE = "https://gate.example"
LIFE = 3_600


def measure(setting: Setting, programs: Sequence[Program]) -> list[Series]:
    """Send with the token and with the key in turn, for each case and round."""
    issuer, token = issued(setting.folder)
    cpu: dict[str, dict[str, list[float]]] = {case: {GATE: [], KEY: []} for case in CASES}
    folder = setting.folder / "gate"
    with (
        placed(setting.other_cores),
        sink(setting) as upstream,
        running(setting, programs[0], folder, upstream.varied, issuer=issuer) as gate,
    ):
        shown = {GATE: token, KEY: gate.key}
        for turn, names in enumerate(alternating(list(shown), setting.rounds), start=1):
            setting.say(f"tokens: round {turn} of {setting.rounds}")
            for case in CASES:
                for name in names:
                    cpu[case][name].append(cost(setting, gate, case, shown[name]))
    return [
        Series(
            f"tokens.{case}",
            f"CPU time per request with a remembered token: {title}",
            "µs",
            Better.LOWER,
            cpu[case],
        )
        for case, title in CASES.items()
    ]


def cost(setting: Setting, subject: Subject, case: str, credential: str) -> float:
    """Microseconds of CPU time for each request with ``credential``."""
    before = usage(subject.session).cpu
    seconds = setting.choose(SECONDS, 1)
    load = wrk.run(case, subject.port, credential, connections=CONNECTIONS, seconds=seconds)
    return (usage(subject.session).cpu - before) / load.requests * 1e6


def issued(folder: Path) -> tuple[TokenIssuer, str]:
    """An issuer with one key (ES256) in ``folder``, and a token of it that is good for an hour."""
    issuer = Issuer("", "https://issuer.example", new_key("one", "ES256"))
    file = folder / "jwks.json"
    file.write_bytes(issuer.jwks())
    now = int(time.time())
    claims = {"iss": issuer.name, "aud": AUDIENCE, "iat": now, "exp": now + LIFE, "sub": "bench"}
    return TokenIssuer(issuer.name, AUDIENCE, file), issuer.token(claims)
