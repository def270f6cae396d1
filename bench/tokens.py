"""CPU time of a request with a token that is remembered, beside one with a key, at one gate."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from pathlib import Path

from bench import wrk
from bench.peers.field import sink
from bench.peers.launch import HOST, placed
from bench.peers.programs import Program
from bench.processes import usage
from bench.series import Better, Series, alternating
from bench.setting import Setting
from bench.targets import GATE
from tests.support.gate import Gate, create_key, running_gate
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
    program, issuer = programs[0], Issuer("", "https://issuer.example", new_key("one", "ES256"))
    shown = {GATE: _token(issuer), KEY: create_key(setting.folder / "data", "bench")}
    cpu: dict[str, dict[str, list[float]]] = {case: {GATE: [], KEY: []} for case in CASES}
    environment = {
        "HEADGATE_LISTEN__WORKERS": "1",
        **_settings(issuer, setting.folder),
        **program.environment(),
    }
    with contextlib.ExitStack() as stack:
        stack.enter_context(placed(setting.other_cores))
        upstream = stack.enter_context(sink(setting))
        with placed(setting.proxy_cores):
            gate = stack.enter_context(
                running_gate(setting.folder, f"http://{HOST}:{upstream.varied}", environment)
            )
        for turn, names in enumerate(alternating(list(shown), setting.rounds), start=1):
            setting.say(f"tokens: round {turn} of {setting.rounds}")
            for case in CASES:
                for name in names:
                    seconds = setting.choose(SECONDS, 1)
                    cpu[case][name].append(_cost(gate, case, shown[name], seconds))
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


def _cost(gate: Gate, case: str, credential: str, seconds: int) -> float:
    """Microseconds of CPU time for each request."""
    before = usage(gate.process.pid).cpu
    load = wrk.run(case, gate.port, credential, connections=CONNECTIONS, seconds=seconds)
    return (usage(gate.process.pid).cpu - before) / load.requests * 1e6


def _token(issuer: Issuer) -> str:
    now = int(time.time())
    claims = {"iss": issuer.name, "aud": AUDIENCE, "iat": now, "exp": now + LIFE, "sub": "bench"}
    return issuer.token(claims)


def _settings(issuer: Issuer, folder: Path) -> dict[str, str]:
    file = folder / "jwks.json"
    file.write_bytes(issuer.jwks())
    prefix = "HEADGATE_AUTH__ISSUERS__BENCH__"
    rules = [{"when": {"sub": "bench"}, "roles": ["writer"]}]
    return {
        f"{prefix}ISSUER": issuer.name,
        f"{prefix}AUDIENCE": AUDIENCE,
        f"{prefix}JWKS_FILE": str(file),
        f"{prefix}RULES": json.dumps(rules),
    }
