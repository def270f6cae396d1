"""One example of each kind of event, with what its log line says."""

from __future__ import annotations

from typing import Final

from headgate import events as e
from headgate.model import Endpoint
from headgate.symptoms import ConnectionFailure, DiscoveryFailure

HERE: Final = Endpoint("10.0.0.7", 5000)
_CHANGE: Final = (7.0, "default", HERE, "health check passed")
_LOOKUP: Final = (7.0, "lab", "DNS mlflow:5000", "NXDOMAIN")

EXAMPLES: Final[tuple[e.Event, ...]] = (
    e.GateStarted("1.0", "127.0.0.1", 8080, 2),
    e.GateStopping("SIGTERM"),
    e.LameDuck(5.0),
    e.Draining(3, 30.0),
    e.Drained(),
    e.CutOff(1),
    e.GateStopped(),
    e.WorkerStuck(0, 4711, 15.04, "Timeout (0:00:10)!", True),
    e.WorkerStalled(0, 4711, "Timeout (0:00:10)!"),
    e.WorkerOutput(0, 4711, "a warning"),
    e.WorkerEnded(0, 4711, e.EndCause.SIGNAL, -9, None, None),
    e.WorkerReplaced(0, 4712),
    e.WorkerNotReplaced(0, "the port is taken"),
    e.WorkersKilled(2),
    e.SupervisorGone(),
    e.LogsKept("SIGUSR1"),
    e.ChecksNotShared("No space left on device"),
    e.ConfigurationReloaded(),
    e.ConfigurationRefused("limits.in_flight: must be greater than 0"),
    e.RestartNeeded(("listen.port",), ("listen.port (written: 1; in force: 2)",)),
    e.CertificateReloaded(),
    e.CertificateRefused("/tls/gate.pem holds no certificate"),
    e.CertificateEndsSoon("listen.tls.certificate", "/tls/gate.pem", 12.3, "ends on 2030-01-01"),
    e.CertificateEnded("listen.tls.certificate", "/tls/gate.pem", -1.0, "ended on 2020-01-01"),
    e.KeyStoreUnreadable("disk I/O error"),
    e.KeyStoreReadable(),
    e.KeyRevoked("ci", "k_00000001"),
    e.KeyUnusable("the key 3: its digest is damaged"),
    e.KeysGone(2, ("ci", "laptop")),
    e.RoleMissing("ci", "k_1", "trainer"),
    e.RolesChanged(("ci",), "writer", "llm-user"),
    e.Administered(
        e.Change.KEY_CREATED,
        actor="alice",
        actor_id="p_00000001",
        credential="k_00000001",
        target="ci",
        target_id="k_00000002",
        detail="roles writer",
    ),
    e.AdministrationFailed("keys/create", "database or disk is full"),
    e.IssuerKeysChanged("ci", 2, 1, 1),
    e.IssuerKeysUnreadable("ci", "https://idp.example/jwks responded 503", True),
    e.IssuerKeysReadable("ci"),
    e.IssuerKeyUnusable("ci", "the key 0 ('old'): it has 1024 bits"),
    e.EndpointAdded(*_CHANGE),
    e.EndpointHealthy(*_CHANGE),
    e.EndpointUnhealthy(*_CHANGE, ConnectionFailure.REFUSED, "Start it."),
    e.EndpointEjected(*_CHANGE, 20.0, 2),
    e.EndpointReturned(*_CHANGE),
    e.EndpointLeft(*_CHANGE),
    e.EndpointRejoined(*_CHANGE),
    e.EndpointForgotten(*_CHANGE),
    e.DiscoveryFailed(*_LOOKUP, DiscoveryFailure.NAME_UNKNOWN, "Correct it."),
    e.DiscoveryRecovered(*_LOOKUP),
    e.AddressesRefused("mlflow", ("169.254.169.254",)),
    e.NameServersChanged("/etc/resolv.conf", ("10.0.0.2",)),
    e.NameServersUnusable("/etc/resolv.conf", "no nameservers"),
    e.UpstreamVersionFound("default", "3.17.2"),
    e.UpstreamRetired("default", "its settings have changed"),
    e.TlsHandshakeFailed("192.0.2.1", "unknown ca", 3),
    e.ConnectionsTurnedAway("192.0.2.1", e.TurnedAway.LIMIT, 999),
    e.AcceptPaused(1.0, "Too many open files"),
    e.RequestRetried("0123456789abcdef00000001", "connection reset"),
    e.RequestsLimited("writes", "ci", "p_00000001", 90, 100, 3),
    e.AuthenticationThrottled("192.0.2.1", 90, 100, 3),
    e.BodyReaderFailed("EOFError()"),
    e.DescriptorsLimited(300, 200, 956, 500),
    e.DescriptorsExhausted("this worker has all 1024 files open"),
    e.DescriptorsAvailable(),
    e.LogLinesLost(e.Log.ACCESS, e.LossCause.FULL, 3, "No space left on device"),
    e.InternalError("handling the request 01ab", RuntimeError("a defect")),
)
