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
            "Add the gate's Host, which `headgate doctor` shows, to MLflow's --allowed-hosts "
            "(MLflow then accepts only this list: keep 'localhost:*' in it), or set "
            "upstreams.NAME.host_header to a name that MLflow accepts."
        ),
    )
    CREDENTIALS_WANTED = (
        "credentials_wanted",
        Reason.UPSTREAM_CREDENTIALS,
        (
            "Your key is valid; the gate's operator has to set or correct the credentials of this "
            "upstream (policy 'replace')"
        ),
        (
            "MLflow has its own authentication: set upstreams.NAME.credentials, with policy "
            "'replace', or correct the user and the password there."
        ),
    )
    PERMISSION_DENIED = (
        "permission_denied",
        Reason.UPSTREAM_CREDENTIALS,
        (
            "Your key is valid; the gate's operator has to give the gate's user at MLflow this "
            "permission, or set another user in the credentials of this upstream"
        ),
        (
            "MLflow's own authentication denies this to the gate's user: make it an administrator "
            "there, or set another user in upstreams.NAME.credentials."
        ),
    )
    WEB_PAGE = (
        "web_page",
        Reason.UPSTREAM_NOT_JSON,
        (
            "Either MLflow itself failed, and its log says why, or another server responds, such "
            "as a login page or a load balancer"
        ),
        (
            "Another server than MLflow responds, such as a login page or a load balancer in front "
            "of it; correct the URL, or exempt the gate's requests from it."
        ),
    )
    REDIRECT = (
        "redirect",
        Reason.UPSTREAM_NOT_JSON,
        "The gate follows no redirects: the URL of this upstream must be that of MLflow itself",
        (
            "The gate follows no redirects: use the URL of MLflow itself, with https:// if the "
            "redirect leads there; exempt the gate from a login page."
        ),
    )
    ROUTE_MISSING = (
        "route_missing",
        Reason.UPSTREAM_ERROR,
        ("The server there is not MLflow, or a version of MLflow that the gate does not know"),
        "Correct the URL: MLflow, or a version of it that the gate knows, is not there.",
    )
    BASE_PATH = (
        "base_path",
        Reason.UPSTREAM_ERROR,
        (
            "The server there is not MLflow, or MLflow has a path prefix: see static_prefix of "
            "this upstream"
        ),
        "Correct the URL, or set upstreams.NAME.static_prefix to MLflow's path prefix.",
    )
    NOT_MLFLOW = (
        "not_mlflow",
        Reason.UPSTREAM_ERROR,
        "The server there is not MLflow",
        "The server there is not MLflow; correct the URL.",
    )
    FAILING = (
        "failing",
        Reason.UPSTREAM_ERROR,
        "MLflow, or a server in front of it, fails: read its log",
        "MLflow, or a server in front of it, fails: read its log.",
    )
    DATABASE = (
        "database",
        Reason.UPSTREAM_ERROR,
        "MLflow fails: check its log and its database",
        (
            "Look into MLflow's log; see that the database of its --backend-store-uri runs and "
            "lets it in, and run `mlflow db upgrade <its URI>` if it is of an older version."
        ),
    )
    DATABASE_HANGS = (
        "database_hangs",
        Reason.UPSTREAM_TIMEOUT,
        "MLflow hangs on requests that need its database",
        (
            "MLflow responds to /health, but hangs on requests that need its database: check that "
            "the database of its --backend-store-uri runs and is reachable from MLflow's machine."
        ),
    )
    ARTIFACT_STORE = (
        "artifact_store",
        Reason.UPSTREAM_ERROR,
        "MLflow's artifact store fails: read MLflow's log",
        (
            "Look into MLflow's log: its artifact store does not respond, or refuses it; see that "
            "--artifacts-destination is there, that MLflow may write to it, and that it has room."
        ),
    )
