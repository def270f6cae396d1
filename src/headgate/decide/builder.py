"""Builds what decides on requests from a configuration, and again from each new one."""

from __future__ import annotations

import time
from collections.abc import Mapping

from headgate.auth.chain import AuthenticatorChain
from headgate.config import AuthMode, Config
from headgate.dataplane.balancer import Balancer
from headgate.decide.authorise import Authoriser
from headgate.decide.examiner import Examiner
from headgate.decide.lookup import Lookup
from headgate.decide.pipeline import Pipeline
from headgate.decide.resolver import Resolver
from headgate.decide.routing import Router, upstreams_by_prefix
from headgate.events import Emit
from headgate.limits import Strangers
from headgate.shields import Shield
from headgate.upstreams.live import LiveUpstream
from headgate.wire.site import Site


class PipelineBuilder:
    """Builds the ``Pipeline`` of a configuration; keeps what outlives one.

    Args:
        chain: identifies the senders of requests.
        emit: takes the events.
        strangers: throttles failed authentications; by default nothing does.
    """

    def __init__(
        self, chain: AuthenticatorChain, emit: Emit, strangers: Strangers | None = None
    ) -> None:
        self._chain = chain
        self._strangers = strangers
        self._examiner = Examiner(emit)
        self._resolvers: dict[LiveUpstream, Resolver] = {}

    def build(
        self, config: Config, upstreams: Mapping[str, LiveUpstream], control: Balancer
    ) -> Pipeline:
        """What decides as ``config`` says, by the upstreams of that configuration."""
        kept = self._resolvers
        self._resolvers = {
            each: kept.get(each) or Resolver(Lookup(each), time.monotonic)
            for each in upstreams.values()
        }
        # A request is judged by the upstream that it is sent to, whatever is reloaded meanwhile.
        resolvers = {name: self._resolvers[each] for name, each in upstreams.items()}
        shield = Shield(config.shields)
        return Pipeline(
            self._chain,
            Authoriser(resolvers.__getitem__, shield, self._examiner),
            Router(upstreams_by_prefix(config), shield),
            {name: upstreams[name].balancer for name in config.upstreams},
            control,
            config.limits,
            site=Site(config.listen.host, config.listen.public_names),
            guards_host=config.auth.mode is AuthMode.NONE,
            strangers=self._strangers,
        )

    def close(self) -> None:
        """End the helper process that reads large bodies."""
        self._examiner.close()
