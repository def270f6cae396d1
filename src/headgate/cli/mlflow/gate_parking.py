"""Parks an upstream through the admin API of a gate, and keeps the lease meanwhile."""

from __future__ import annotations

import contextlib
import http.client
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from headgate.cli.gate_api import GateApi, HttpExchange
from headgate.deploy.clock import Clock
from headgate.deploy.mlflow.errors import ParkedByOthersError, ParkingError, ParkLostError
from headgate.deploy.mlflow.records import GateStanding, ParkStanding
from headgate.errors import HeadgateError
from headgate.identity import Conflict, IdentityError
from headgate.identity.documents import seconds, timestamp

LEASE: Final = 60
"""Seconds for which the gates hold the clients after this command has ended."""
RENEW: Final = 15.0
"""Seconds between two renewals."""
KEY_LIFE: Final = 2 * 3600
"""Seconds after which the key that verifies expires, if nobody revokes it."""
ROLES: Final = ("writer", "publisher")
"""What the key that verifies may do."""
IN_A_ROW: Final = 5
"""So often a new key must be accepted, since each worker of each gate learns of it."""
ACCEPTED_SECONDS: Final = 30.0
POLL: Final = 0.5


class GateParking:
    """``Parking`` through one gate, or through whatever is in front of several.

    Args:
        url: of the gate, the tracking URI that clients have.
        upstream: the name of the one to park.
        key: what administers the gate.
        own_key: a key that verifies; empty: a short-lived one is made.
        environment: names the files of TLS.
        clock: waits until a new key is accepted.
    """

    def __init__(
        self,
        url: str,
        upstream: str,
        key: str,
        own_key: str,
        environment: Mapping[str, str],
        clock: Clock,
    ) -> None:
        self._url = url
        self._environment = environment
        self._clock = clock
        self._own_key = own_key
        self._at = f"upstreams/{upstream}"
        self._api = GateApi(url, HttpExchange(url, key, environment))
        self._park = ""
        self._lost = ""
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.secret = ""
        """The key that verifies, once there is one."""

    def gate(self) -> str:
        """See ``Parking``."""
        return self._url

    # --- the key that verifies -----------------------------------------------------------------

    def admit(self) -> str:
        """See ``Parking``."""
        if self._own_key:
            self.secret = self._own_key
            return str(self._me(self._own_key)["credential"] or "")
        me = self._ask("GET", "me")
        if me["method"] == "none":
            raise ParkingError(
                "the gate takes requests without keys (auth.mode = none), so it could not tell the "
                "verification of a parked MLflow from its clients: upgrade by hand, between "
                "headgate park and headgate unpark"
            )
        wanted: dict[str, Any] = {
            "name": f"mlflow-upgrade-{secrets.token_hex(4)}",
            "roles": list(ROLES),
            "description": "verifies MLflow while it is upgraded",
            "expires_at": timestamp(int(self._clock.now()) + KEY_LIFE),
        }
        if me["method"] == "key":
            wanted["principal"] = me["principal_id"]
        made = self._ask("POST", "keys", wanted)
        self.secret = str(made["secret"])
        credential = str(made["key"]["id"])
        try:
            self._wait_until_accepted(self.secret)
        except BaseException:  # interrupted too, the key must not stay
            with contextlib.suppress(ParkingError):  # it expires by itself
                self.dismiss(credential)
            raise
        return credential

    def _wait_until_accepted(self, key: str) -> None:
        deadline = self._clock.monotonic() + ACCEPTED_SECONDS
        accepted = 0
        while accepted < IN_A_ROW:
            try:
                self._me(key)
                accepted += 1
            except ParkingError:
                accepted = 0
                if self._clock.monotonic() >= deadline:
                    raise
                self._clock.sleep(POLL)

    def _me(self, key: str) -> dict[str, Any]:
        return self._through(GateApi(self._url, HttpExchange(self._url, key, self._environment)))(
            "GET", "me"
        )

    def dismiss(self, credential: str) -> None:
        """See ``Parking``."""
        if credential and not self._own_key:
            self._ask("POST", f"keys/{credential}/revoke", {})

    def problem_of_mlflow(self) -> str:
        """Why MLflow does not respond to the key that verifies; empty if it does."""
        exchange = HttpExchange(self._url, self.secret, self._environment)
        target = "/api/2.0/mlflow/experiments/search?max_results=1"
        try:
            response = exchange("GET", target, {}, None)
        except HeadgateError as error:
            return str(error)
        if response.status == http.client.OK:
            return ""
        return f"the gate responds with status {response.status} ({response.reason})"

    # --- the park ------------------------------------------------------------------------------

    def park(self, sentence: str, admits: str) -> str:
        """See ``Parking``."""
        wanted = {"seconds": LEASE, "sentence": sentence, "lease": True, "admits": admits or None}
        try:
            found = self._ask("POST", f"{self._at}/park", wanted)
        except _OpposedError as error:
            raise ParkedByOthersError(str(error)) from None
        self._keep(str(found["park"]["id"]))
        return self._park

    def held(self, sentence: str) -> str:
        """See ``Parking``."""
        park = self._ask("GET", self._at)["park"]
        return str(park["id"]) if park is not None and park["sentence"] == sentence else ""

    def resume(self, park: str, admits: str) -> None:
        """See ``Parking``."""
        self._renew(park, admits)
        self._keep(park)

    def look(self) -> ParkStanding:
        """See ``Parking``."""
        if self._lost:
            raise ParkLostError(self._lost)
        found = self._ask("GET", self._at)
        park = found["park"]
        if self._park and (park is None or park["id"] != self._park):
            raise ParkLostError(f"the park {self._park} was ended by somebody")
        return ParkStanding(
            "" if park is None else str(park["id"]),
            "" if park is None else str(park["by"]),
            0.0 if park is None else float(seconds(park["ends_at"]) or 0),
            bool(found["acknowledged"]),
            bool(found["drained"]),
            tuple(_gates(found)),
            found["state"] == "refusing",
        )

    def unpark(self, park: str) -> None:
        """See ``Parking``."""
        self.leave()
        try:
            self._ask("POST", f"{self._at}/unpark", {"park": park, "force": True})
        except _OpposedError:
            return  # another park is in force: this one has ended

    def leave(self) -> None:
        """See ``Parking``."""
        self._park = ""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _keep(self, park: str) -> None:
        """Renew the lease in a thread from now on."""
        self.leave()
        self._park, self._lost = park, ""
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._renewing, args=(park, self._stopped), name="renew-lease", daemon=True
        )
        self._thread.start()

    def _renewing(self, park: str, stopped: threading.Event) -> None:
        while not stopped.wait(RENEW):
            try:
                self._renew(park)
            except ParkLostError as error:
                self._lost = str(error)
                return
            except ParkingError:
                continue  # the gates hold the clients until the lease ends, and refuse then

    def _renew(self, park: str, admits: str = "") -> None:
        wanted: dict[str, Any] = {"park": park, "seconds": LEASE}
        if admits:
            wanted["admits"] = admits
        try:
            self._ask("POST", f"{self._at}/park/renew", wanted)
        except _OpposedError as error:
            raise ParkLostError(str(error)) from None

    def _ask(
        self, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> dict[str, Any]:
        return self._through(self._api)(method, path, body)

    @staticmethod
    def _through(api: GateApi) -> Callable[..., dict[str, Any]]:
        def ask(method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
            try:
                return api.ask(method, path, body)
            except Conflict as error:
                raise _OpposedError(str(error)) from None
            except IdentityError as error:
                raise ParkingError(str(error)) from None
            except HeadgateError as error:
                raise ParkingError(str(error), retryable=True) from None

        return ask


class _OpposedError(ParkingError):
    """What the gate calls a conflict."""


def _gates(found: Mapping[str, Any]) -> Sequence[GateStanding]:
    asked = found["revision"]
    return [
        GateStanding(
            each["name"],
            each["state"],
            each["in_flight"],
            each["waiting"],
            each["state"] != "missing" and (found["acknowledged"] or each["revision"] >= asked),
        )
        for each in found["gates"]
    ]
