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
        "Register MLflow's servers where discovery looks for them, or correct the URL.",
    )
    FULL = (
        "full",
        Reason.OVERLOADED,
        "Every MLflow server is at its concurrency limit",
        (
            "Run more MLflow servers, or raise upstreams.NAME.balance.max_in_flight if these can "
            "handle more."
        ),
    )
    PARKED = (
        "parked",
        Reason.PARKED,
        "An operator has parked it for maintenance",
        "Wait for the end of the maintenance, or end it with `headgate unpark`.",
    )
    RESET = (
        "reset",
        Reason.UPSTREAM_RESET,
        (
            "It closed the connection before it responded, like a server that is stopped or runs "
            "out of memory: read MLflow's log"
        ),
        (
            "The server there accepts connections and closes them: search MLflow's log for a crash "
            "or a lack of memory. Check that it is MLflow, and whether it is http or https."
        ),
    )
    SILENT = (
        "silent",
        Reason.UPSTREAM_TIMEOUT,
        "MLflow hangs, or waits for its database: read MLflow's log",
        (
            "MLflow hangs, or something on the network path drops packets: check MLflow's log, its "
            "database and the network."
        ),
    )
    INVALID = (
        "invalid",
        Reason.UPSTREAM_ERROR,
        "The server there may not be MLflow, or uses https",
        "The server there is not an HTTP server: is it https?",
    )
    TOO_LONG = (
        "too_long",
        Reason.UPSTREAM_ERROR,
        "The server there may not be MLflow",
        "The server there is not MLflow; correct the URL.",
    )
