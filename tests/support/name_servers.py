"""Real name servers: PowerDNS, which holds a zone and has an HTTP API, and unbound in front of it.

As in AWS: the zone is changed through an API, and a client sees the change when the caching
resolver's copy is older than the record's TTL.
"""

from __future__ import annotations

import json
import signal
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode

from tests.support.debian import POWER_DNS, POWER_DNS_SQLITE, UNBOUND, require
from tests.support.ports import free_port
from tests.support.processes import ServerProcess

ZONE = "internal.test"
START_SECONDS = 20.0
CHANGE_SECONDS = 30.0
NEGATIVE_TTL = 2
"""Seconds for which the resolver remembers that a name is not there (RFC 2308)."""
SAMPLE = 8
"""How many addresses Route 53 and Cloud Map answer with at most."""
_API_KEY = "for-this-test-only"
# Nothing is cached here: what the API sets is answered with the next question.
_POWER_DNS = """
launch=gsqlite3
gsqlite3-database={folder}/zones.sqlite
local-address=127.0.0.1
local-port={port}
socket-dir={folder}
webserver-address=127.0.0.1
webserver-port={api}
webserver-allow-from=127.0.0.1
api=yes
api-key={key}
enable-lua-records=yes
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
security-poll-suffix=
"""
# A zone below .test has an authority (RFC 6761 says it has none); one that failed is soon asked
# again, by default only after 15 minutes.
_UNBOUND = """
server:
  interface: 127.0.0.1@{port}
  port: {port}
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: ""
  do-daemonize: no
  use-syslog: no
  num-threads: 1
  module-config: "iterator"
  do-not-query-localhost: no
  local-zone: "test." nodefault
  infra-host-ttl: 1
remote-control:
  control-enable: no
stub-zone:
  name: "{zone}"
  stub-addr: 127.0.0.1@{authority}
"""


@dataclass
class NameServers:
    """A zone, and the resolver that answers for it.

    ``address`` is the resolver's, as a setting names it; ``negative_ttl`` is that of the zone, in
    seconds: for so long the resolver remembers that a name is not there (RFC 2308).
    """

    resolver: ServerProcess
    port: int
    _api: str
    zone: str = ZONE
    negative_ttl: int = NEGATIVE_TTL
    _zone: dict[tuple[str, str], tuple[int, list[str]]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Where the resolver listens, as a setting names it."""
        return f"127.0.0.1:{self.port}"

    def set(self, name: str, kind: str, *data: str, ttl: int = 1) -> None:
        """Replace the records of one name and type; without ``data`` there are none any more."""
        self._zone[name, kind] = (ttl, list(data))
        self._patch(name, kind)

    def sample(self, name: str, *addresses: str, ttl: int = 1) -> None:
        """Answer with ``SAMPLE`` of the addresses, chosen anew each time, as Route 53 does."""
        every = ",".join(f"'{address}'" for address in addresses)
        script = (
            f"local some, seen = {{}}, {{}} while #some < {SAMPLE} do "
            f"local one = pickrandom({{{every}}}) "
            "if not seen[one] then seen[one] = true some[#some + 1] = one end end return some"
        )
        self.set(name, "LUA", f'A ";{script}"', ttl=ttl)

    def break_zone(self) -> None:
        """Let the authority refuse the zone, so that the resolver answers SERVFAIL."""
        self._call("DELETE", f"/zones/{self.zone}.")

    def mend_zone(self) -> None:
        """Let the zone be there with all its records, and wait until the resolver knows it."""
        at, ttl = self.zone, self.negative_ttl
        soa = f"ns.{at}. hostmaster.{at}. 1 60 60 60 {ttl}"
        start = {"name": f"{at}.", "type": "SOA", "ttl": ttl}
        zone = {
            "name": f"{at}.",
            "kind": "Native",
            "soa_edit_api": "INCREASE",
            "nameservers": [f"ns.{at}."],
            "rrsets": [start | {"records": [{"content": soa, "disabled": False}]}],
        }
        self._call("POST", "/zones", zone)
        for name, kind in self._zone:
            self._patch(name, kind)
        self.wait_for(at, "SOA", dns.rcode.NOERROR)

    def silence(self) -> None:
        """Let the resolver answer nothing."""
        self.resolver.signal(signal.SIGSTOP)

    def speak(self) -> None:
        """End the silence."""
        self.resolver.signal(signal.SIGCONT)

    def answer(self, name: str, kind: str) -> tuple[dns.rcode.Rcode, dict[str, int]]:
        """What the resolver says: the code, and the data it names with their TTL.

        Raises:
            dns.exception.Timeout: it says nothing for a second.
        """
        query = dns.message.make_query(name, kind)
        answer = dns.query.udp(query, "127.0.0.1", port=self.port, timeout=1)
        return answer.rcode(), {
            record.to_text(): rrset.ttl for rrset in answer.answer for record in rrset
        }

    def wait_for(
        self, name: str, kind: str, code: dns.rcode.Rcode, data: frozenset[str] | None = None
    ) -> None:
        """Wait until the resolver answers with this code, and with these data if any are given.

        Raises:
            ServerError: it does not.
        """

        def said() -> bool | None:
            try:
                found, records = self.answer(name, kind)
            except dns.exception.Timeout:
                return None
            return (found == code and (data is None or records.keys() == data)) or None

        self.resolver.wait_until(said, f"{name} {kind} to be {code.name}", CHANGE_SECONDS)

    def _patch(self, name: str, kind: str) -> None:
        ttl, data = self._zone[name, kind]
        records = [{"content": content, "disabled": False} for content in data]
        rrset = {
            "name": f"{name}.",
            "type": kind,
            "ttl": ttl,
            "changetype": "REPLACE" if data else "DELETE",
            "records": records,
        }
        self._call("PATCH", f"/zones/{self.zone}.", {"rrsets": [rrset]})

    def _call(self, method: str, path: str, message: object = None) -> None:
        """Call PowerDNS's API.

        Raises:
            AssertionError: it refuses, and says why.
        """
        request = urllib.request.Request(  # noqa: S310 - its own address
            self._api + path,
            data=json.dumps(message).encode() if message is not None else None,
            method=method,
            headers={"X-API-Key": _API_KEY, "Content-Type": "application/json"},
        )
        try:
            urllib.request.urlopen(request, timeout=CHANGE_SECONDS).close()  # noqa: S310
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"PowerDNS: {error.read().decode()}") from None


@contextmanager
def running_name_servers(
    folder: Path, zone: str = ZONE, negative_ttl: int = NEGATIVE_TTL
) -> Iterator[NameServers]:
    """Run PowerDNS with an empty zone, and unbound, until the block ends.

    Raises:
        ServerError: when they do not answer in time.
    """
    programs = require(POWER_DNS), require(UNBOUND)
    schema = require(POWER_DNS_SQLITE)
    with closing(sqlite3.connect(folder / "zones.sqlite")) as database:
        database.executescript(schema.read_text(encoding="utf-8"))
    port, api, authority = free_port(), free_port(), free_port()
    (folder / "pdns.conf").write_text(
        _POWER_DNS.format(folder=folder, port=authority, api=api, key=_API_KEY)
    )
    (folder / "unbound.conf").write_text(
        _UNBOUND.format(folder=folder, port=port, authority=authority, zone=zone)
    )
    power_dns = [str(programs[0]), f"--config-dir={folder}"]
    unbound = [str(programs[1]), "-d", "-c", str(folder / "unbound.conf")]
    with (
        ServerProcess(power_dns, {}, folder, "pdns") as holder,
        ServerProcess(unbound, {}, folder, "unbound") as resolver,
    ):
        holder.wait_for_line("ready to distribute questions", START_SECONDS)
        resolver.wait_for_line("start of service", START_SECONDS)
        at = f"http://127.0.0.1:{api}/api/v1/servers/localhost"
        servers = NameServers(resolver, port, at, zone, negative_ttl)
        servers.mend_zone()
        try:
            yield servers
        finally:
            servers.speak()  # a stopped process does not hear that it is to end
