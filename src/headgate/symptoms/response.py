"""What can be wrong with a response: each kind with its cause and its cure."""

from __future__ import annotations

from headgate.reasons import Reason
from headgate.symptoms.symptom import Symptom


class ResponseFailure(Symptom):
    """Why a response is not the one that is due; ``contract.diagnosis`` tells them apart."""

    HOST_REFUSED = (
        "host_refused",
        Reason.UPSTREAM_HOST_REFUSED,
        (
            "Start MLflow with that in --allowed-hosts, or set host_header of this upstream in the "
            "gate's configuration to a name that MLflow accepts"
        ),
        (
            "Add the gate's Host, which `headgate doctor` shows, to MLflow's --allowed-hosts (the "
            "list is all that MLflow then accepts: keep 'localhost:*' in it), or set "
            "upstreams.NAME.host_header to a name that MLflow accepts."
        ),
    )
    CREDENTIALS_WANTED = (
        "credentials_wanted",
        Reason.UPSTREAM_CREDENTIALS,
        (
            "Your key is fine; the gate's operator sets credentials of this upstream (policy "
            "'replace'), or corrects them"
        ),
        (
            "MLflow runs with an authentication of its own: set upstreams.NAME.credentials, with "
            "policy 'replace', or correct the user and the password there."
        ),
    )
    PERMISSION_DENIED = (
        "permission_denied",
        Reason.UPSTREAM_CREDENTIALS,
        (
            "Your key is fine; the gate's operator gives the gate's user at MLflow the right to do "
            "this, or sets another user in credentials of this upstream"
        ),
        (
            "MLflow's own authentication knows the gate's user and does not let it do this: make "
            "it an administrator there, or name another user in upstreams.NAME.credentials."
        ),
    )
    WEB_PAGE = (
        "web_page",
        Reason.UPSTREAM_NOT_JSON,
        (
            "Either MLflow itself failed, and its log says why, or something else listens there, "
            "such as a login page or a load balancer"
        ),
        (
            "Something else than MLflow listens there, or stands before it, such as a login page "
            "or a load balancer; correct the URL, or let the gate's requests pass it."
        ),
    )
    REDIRECT = (
        "redirect",
        Reason.UPSTREAM_NOT_JSON,
        "The gate follows no redirect: the URL of this upstream has to name MLflow itself",
        (
            "The gate follows no redirect: write in the URL where MLflow itself is, https:// if "
            "that is what it leads to; a login page must let the gate pass."
        ),
    )
    ROUTE_MISSING = (
        "route_missing",
        Reason.UPSTREAM_ERROR,
        (
            "Another program than MLflow, or a version of MLflow that the gate does not know, "
            "listens there"
        ),
        "Correct the URL: MLflow, or a version of it that the gate knows, is not there.",
    )
    BASE_PATH = (
        "base_path",
        Reason.UPSTREAM_ERROR,
        "MLflow is not there, or runs under a path of its own: see static_prefix of this upstream",
        "Correct the URL, or set upstreams.NAME.static_prefix to the path MLflow runs under.",
    )
    NOT_MLFLOW = (
        "not_mlflow",
        Reason.UPSTREAM_ERROR,
        "Something else than MLflow listens there",
        "Something else than MLflow listens there; correct the URL.",
    )
    FAILING = (
        "failing",
        Reason.UPSTREAM_ERROR,
        "MLflow, or what stands before it, fails: look into its log",
        "MLflow, or what stands before it, fails: look into its log.",
    )
    DATABASE = (
        "database",
        Reason.UPSTREAM_ERROR,
        "MLflow fails: look into its log, and at its database",
        (
            "Look into MLflow's log; see that the database of its --backend-store-uri runs and "
            "lets it in, and run `mlflow db upgrade <its URI>` if it is of an older version."
        ),
    )
    DATABASE_HANGS = (
        "database_hangs",
        Reason.UPSTREAM_TIMEOUT,
        "MLflow hangs where it needs its database",
        (
            "MLflow responds to /health, and hangs where it needs its database: see that the "
            "database of its --backend-store-uri runs and can be reached from MLflow's machine."
        ),
    )
    ARTIFACT_STORE = (
        "artifact_store",
        Reason.UPSTREAM_ERROR,
        "MLflow's artifact store fails: look into MLflow's log",
        (
            "Look into MLflow's log: its artifact store does not respond, or refuses it; see that "
            "--artifacts-destination is there, that MLflow may write to it, and that it has room."
        ),
    )
