"""The limits of principals and of strangers, as the configuration has them."""

from __future__ import annotations

from headgate.config.limits import Limits, RequestRates, RoleRates, parse_rate
from headgate.limits import UNLIMITED, Rate, RoleRules, Rules
from headgate.limits.rules import Rates
from headgate.model import REQUEST_CLASSES


def request_rules(limits: Limits) -> Rules:
    """The rules for each principal."""
    return Rules(
        limits.in_flight,
        limits.in_flight_share,
        _rates(limits.rates),
        {
            name: RoleRules(role.weight, role.in_flight_share, _rates(role.rates))
            for name, role in limits.roles.items()
        },
    )


def failure_rate(limits: Limits) -> Rate:
    """How often an address may fail to authenticate."""
    return _rate(limits.failed_authentications)


def _rates(rates: RequestRates | RoleRates) -> Rates:
    given: list[str | None] = [getattr(rates, each.name) for each in REQUEST_CLASSES]
    return tuple(_rate(each) if each is not None else None for each in given)


def _rate(text: str) -> Rate:
    rate = parse_rate(text)
    return UNLIMITED if rate is None else Rate(rate.per_second, rate.burst)
