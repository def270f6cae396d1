"""CPU time of a request with a token, at the gate and at Envoy."""

from __future__ import annotations

from collections.abc import Sequence

from bench.peers.field import all_running, sink
from bench.peers.launch import placed
from bench.peers.programs import Program
from bench.series import Better, Series, alternating
from bench.setting import Setting
from bench.tokens import CASES, cost, issued


def measure(setting: Setting, programs: Sequence[Program]) -> list[Series]:
    """Send one token (JWT, ES256) with every request, as a client does until it expires."""
    issuer, token = issued(setting.folder)
    cpu: dict[str, dict[str, list[float]]] = {
        case: {program.name: [] for program in programs} for case in CASES
    }
    folder = setting.folder / "all"
    with (
        placed(setting.other_cores),
        sink(setting) as upstream,
        all_running(setting, programs, folder, upstream.varied, issuer=issuer) as subjects,
    ):
        by_name = {subject.name: subject for subject in subjects}
        for turn, names in enumerate(alternating(list(by_name), setting.rounds), start=1):
            setting.say(f"jwt: round {turn} of {setting.rounds}")
            for case in CASES:
                for name in names:
                    cpu[case][name].append(cost(setting, by_name[name], case, token))
    return [
        Series(
            f"jwt.{case}",
            f"CPU time per request with a token: {title}",
            "µs",
            Better.LOWER,
            cpu[case],
        )
        for case, title in CASES.items()
    ]
