"""How a request to MLflow can fail once there is something to send it to, or nothing."""

from __future__ import annotations

from headgate.reasons import Reason
from headgate.symptoms.symptom import Symptom


class ExchangeFailure(Symptom):
    """Why there is no response."""

    NO_ENDPOINT = (
        "no_endpoint",
        Reason.NO_ENDPOINT,
        "Check that MLflow is running",
        "Register MLflow's servers with what discovery asks, or correct the URL.",
    )
    FULL = (
        "full",
        Reason.OVERLOADED,
        "Every MLflow server is at its concurrency limit",
        (
            "Run more MLflow servers, or raise upstreams.NAME.balance.max_in_flight if these can "
            "bear more."
        ),
    )
    RESET = (
        "reset",
        Reason.UPSTREAM_RESET,
        (
            "It ended the connection before it responded, as a server does that is stopped or "
            "runs out of memory: look into MLflow's log"
        ),
        (
            "Something there accepts connections and drops them: look into MLflow's log for a "
            "crash or a lack of memory; is it MLflow, and is it http or https?"
        ),
    )
    SILENT = (
        "silent",
        Reason.UPSTREAM_TIMEOUT,
        "MLflow hangs, or waits for its database: look into MLflow's log",
        (
            "MLflow hangs, or something on the network path drops packets: look into MLflow's "
            "log, at its database and at the network."
        ),
    )
    INVALID = (
        "invalid",
        Reason.UPSTREAM_ERROR,
        "Something else than MLflow may listen there, or it speaks https",
        "Something else than an HTTP server listens there; is it https?",
    )
    TOO_LONG = (
        "too_long",
        Reason.UPSTREAM_ERROR,
        "Something else than MLflow may listen there",
        "Something else than MLflow listens there; correct the URL.",
    )
