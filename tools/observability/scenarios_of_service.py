"""When the alerts about what users notice fire: objectives and latency."""

from __future__ import annotations

from collections.abc import Sequence

from tools.observability import alerts
from tools.observability.scenario import JOB, Firing, Scenario, histogram, requests


def _budgets() -> Sequence[Scenario]:
    gate, mlflow = {**JOB, "budget": "gate"}, {**JOB, "budget": "mlflow"}
    two_percent = "1.961% of the requests fail."
    good = {requests(): "0+300x1000"}
    internal = requests(reason="internal", status="5xx")
    own_5xx = requests(reason="ok", status="5xx")
    reset = requests(reason="upstream_reset", status="5xx")
    half_percent = Firing(gate, "0.4975% of the requests fail.")
    return (
        Scenario(
            alerts.GATE_ERRORS_FAST,
            "2 % fail by internal errors",
            {**good, internal: "0+6x1000"},
            "10m",
            (Firing(gate, two_percent),),
        ),
        Scenario(
            alerts.GATE_ERRORS_FAST,
            "0.5 % fail: the budget lasts for six days",
            {requests(): "0+400x1000", internal: "0+2x1000"},
            "60m",
        ),
        Scenario(
            alerts.GATE_ERRORS_FAST,
            "5 % failed for an hour, and none in the half hour since",
            {**good, internal: "0+15x120 1800x200"},
            "1h36m",
        ),
        Scenario(
            alerts.GATE_ERRORS_FAST,
            "all of the requests of a night fail, which are fifteen",
            {requests(): "0x100", internal: "0+1x15 15x100"},
            "10m",
        ),
        Scenario(
            alerts.GATE_ERRORS_FAST,
            "20 % fail for a minute in an hour, among few requests",
            {requests(): "0+20x1000", internal: "0x110 1 9 9x200"},
            "60m",
        ),
        Scenario(
            alerts.GATE_ERRORS_FAST,
            "MLflow breaks off, and clients have bad keys and are over their rates",
            {
                **good,
                reset: "0+100x1000",
                own_5xx: "0+100x1000",
                requests(reason="key_unknown", status="4xx"): "0+900x1000",
                requests(reason="rate_limited", status="4xx"): "0+900x1000",
            },
            "60m",
        ),
        Scenario(
            alerts.GATE_ERRORS_FAST,
            "strangers' requests do not hide internal errors",
            {
                **good,
                internal: "0+6x1000",
                requests(family="none", reason="unauthenticated", status="4xx"): "0+90000x1000",
                requests(family="gate"): "0+90000x1000",
            },
            "10m",
            (Firing(gate, two_percent),),
        ),
        Scenario(
            alerts.GATE_ERRORS_FAST,
            "1 % fail all the time, which is too fast for six hours alone",
            {requests(): "0+300x1000", internal: "0+3x1000"},
            "60m",
            (Firing(gate, "0.9901% of the requests fail."),),
        ),
        Scenario(
            alerts.GATE_ERRORS_FAST,
            "10 % fail for a quarter of an hour after five good hours",
            {requests(): "0+300x1000", internal: "0x600 0+33x100"},
            "5h16m",
            (Firing(gate, "2.352% of the requests fail."),),
        ),
        Scenario(
            alerts.GATE_ERRORS_FAST,
            "4 % fail for a quarter of an hour after two good hours",
            {requests(): "0+300x1000", internal: "0x240 0+12x100"},
            "2h16m",
        ),
        Scenario(
            alerts.GATE_ERRORS_FAST,
            "all of the requests of a night fail, which are forty",
            {requests(): "0x100", internal: "0+2x20 40x100"},
            "13m",
            (Firing(gate, "100% of the requests fail."),),
        ),
        Scenario(
            alerts.GATE_ERRORS_SLOW,
            "0.2 % fail all the time, which is too fast for three days alone",
            {requests(): "0+998x1000", internal: "0+2x1000"},
            "60m",
            (Firing(gate, "0.2% of the requests fail."),),
        ),
        Scenario(
            alerts.GATE_ERRORS_SLOW,
            "0.5 % fail",
            {requests(): "0+400x1000", internal: "0+2x1000"},
            "60m",
            (half_percent,),
        ),
        Scenario(
            alerts.GATE_ERRORS_SLOW,
            "one of 2,000 fails, which is within the objective",
            {requests(): "0+1999x1000", internal: "0+1x1000"},
            "60m",
        ),
        Scenario(
            alerts.GATE_ERRORS_SLOW,
            "0.5 % failed for an hour, and none in the six hours since",
            {requests(): "0+400x1000", internal: "0+2x120 240x800"},
            "7h6m",
        ),
        Scenario(
            alerts.MLFLOW_ERRORS_FAST,
            "MLflow responds with 500 to 2 %",
            {**good, own_5xx: "0+6x1000"},
            "10m",
            (Firing(mlflow, two_percent),),
        ),
        Scenario(
            alerts.MLFLOW_ERRORS_FAST,
            "MLflow is gone: no endpoint, then refused connections",
            {
                requests(): "0+300x20 6000x1000",
                requests(reason="no_endpoint", status="5xx"): "0x20 0+150x1000",
                requests(reason="upstream_connect", status="5xx"): "0x20 0+150x1000",
            },
            "15m",
            (Firing(mlflow, "18.37% of the requests fail."),),
        ),
        Scenario(
            alerts.MLFLOW_ERRORS_FAST,
            "internal errors, and health checks that see no endpoint",
            {
                **good,
                internal: "0+100x1000",
                requests(family="gate", reason="no_endpoint", status="5xx"): "0+100x1000",
            },
            "60m",
        ),
        Scenario(
            alerts.MLFLOW_ERRORS_SLOW,
            "MLflow breaks off 0.5 % of its responses",
            {requests(): "0+400x1000", reset: "0+2x1000"},
            "60m",
            (Firing(mlflow, half_percent.detail),),
        ),
        Scenario(
            alerts.MLFLOW_ERRORS_SLOW,
            "clients leave before their responses end",
            {**good, requests(reason="client_gone", status="none"): "0+90x1000"},
            "60m",
        ),
    )


def _latencies() -> Sequence[Scenario]:
    gate, first_byte = "headgate_gate_duration_seconds", "headgate_request_first_byte_seconds"
    slow = {"0.0025": "0+90x200", "0.005": "0+98x200", "0.01": "0+100x200", "+Inf": "0+100x200"}
    waits = {"5.0": "0+90x200", "10.0": "0+98x200", "30.0": "0+100x200", "+Inf": "0+100x200"}
    families = ("runs", "artifacts")
    return (
        Scenario(
            alerts.ADDED_LATENCY_HIGH,
            "2 % take more than 5 ms",
            histogram(gate, 'traffic="api"', slow),
            "41m",
            (Firing(JOB, "1 % of them take more than 7.5ms in the gate."),),
            not_before="9m",
        ),
        Scenario(
            alerts.ADDED_LATENCY_HIGH,
            "0.5 % take more than 5 ms",
            histogram(
                gate,
                'traffic="api"',
                {"0.0025": "0+900x200", "0.005": "0+995x200", "+Inf": "0+1000x200"},
            ),
            "41m",
        ),
        Scenario(
            alerts.ADDED_LATENCY_HIGH,
            "2 % of the requests for artifacts take more than 5 ms",
            histogram(gate, 'traffic="artifacts"', slow),
            "41m",
        ),
        Scenario(
            alerts.ADDED_LATENCY_HIGH,
            "half of 60 requests take more than 5 ms",
            histogram(gate, 'traffic="api"', {"0.005": "0+0.5x200", "+Inf": "0+1x200"}),
            "41m",
        ),
        Scenario(
            alerts.ADDED_LATENCY_HIGH,
            "half of 150 requests take more than 5 ms",
            histogram(
                gate, 'traffic="api"', {"0.005": "0+1x200", "0.01": "0+2x200", "+Inf": "0+2.5x200"}
            ),
            "41m",
            (Firing(JOB, "1 % of them take more than 10ms in the gate."),),
        ),
        Scenario(
            alerts.REQUESTS_SLOW,
            "2 % of the requests for runs, and of those for artifacts, wait more than 10 s",
            {
                series: values
                for family in families
                for series, values in histogram(first_byte, f'family="{family}"', waits).items()
            },
            "21m",
            (
                Firing(
                    {**JOB, "family": "runs"},
                    "1 % of the requests for runs wait more than 20s.",
                ),
            ),
        ),
        Scenario(
            alerts.REQUESTS_SLOW,
            "0.5 % wait more than 10 s",
            histogram(first_byte, 'family="runs"', {"10.0": "0+199x200", "+Inf": "0+200x200"}),
            "21m",
        ),
        Scenario(
            alerts.REQUESTS_SLOW,
            "2 % wait more than 10 s, but not long enough",
            histogram(first_byte, 'family="runs"', waits),
            "9m",
        ),
    )


def scenarios() -> Sequence[Scenario]:
    """All of them."""
    return (*_budgets(), *_latencies())
