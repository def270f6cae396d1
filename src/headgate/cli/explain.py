"""``headgate explain``: what a request asks for, and whether a key may do it."""

# ruff: noqa: PLC0415 - the table of routes is large and is made only when it is wanted
from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple
from urllib.parse import urlsplit

import typer

from headgate.cli.administering import DataFolder, on_store
from headgate.cli.command import AsJson, ConfigFile
from headgate.cli.output import document
from headgate.config import AuthMode, Config, load
from headgate.errors import HeadgateError
from headgate.identity import KeyView, PrincipalView
from headgate.model import Grants, Operation
from headgate.policy import (
    ADMIN,
    Allowed,
    Denied,
    NeedsObject,
    Roles,
    describe,
    evaluate,
    needed,
    rules,
    write_grant,
)
from headgate.stores import open_identity_store

if TYPE_CHECKING:
    from headgate.dataplane.decisions import Redirect, Refuse, Respond
    from headgate.decide.routing import Destination, Found
    from headgate.shields import Shield

EXIT_DENIED = 1
_WIDTH = 11  # columns of the names before the values


class Asked(NamedTuple):
    """A request that leads to a route; ``workspace`` is the one that it names."""

    method: str
    found: Found
    workspace: str | None
    shield: Shield

    @property
    def operation(self) -> Operation:
        """What it asks for."""
        return self.found.operation


def explain(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="Such as POST.")],
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="As a client sends it, or a whole URL.")
    ],
    key: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whether this key may: its name or id.")
    ] = None,
    role: Annotated[
        list[str] | None,
        typer.Option(metavar="ROLE", help="Or a key with this role; several with several --role."),
    ] = None,
    upstream: Annotated[
        str | None, typer.Option(metavar="NAME", help="The upstream.  [the one PATH leads to]")
    ] = None,
    workspace: Annotated[
        str | None, typer.Option(metavar="NAME", help="The workspace that the request names.")
    ] = None,
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
) -> None:
    """Show how the gate would decide on a request.

    Nothing is sent: the command reads the configuration and the key store.  Without --key and
    --role it tries every role.  The exit code is 1 if the request is denied: by the roles, since
    the key is revoked or expired, or since the gate refuses such a request for every key.
    """
    from headgate.dataplane.decisions import Refuse
    from headgate.decide.routing import Found
    from headgate.shields import Shield

    settings = load(config, os.environ, {"data": data})
    if key is not None and role:
        raise HeadgateError("--key and --role exclude each other; give one of them")
    method = method.upper()
    destination = find(method, path, upstream, settings)
    if isinstance(destination, Found):
        asked = Asked(method, destination, workspace, Shield(settings.shields))
        lines, denied = _explained(asked, key, role, settings)
    else:
        denied = isinstance(destination, Refuse)
        lines = [("request", f"{method} {path}"), *_without_route(destination)]
    if as_json:
        print(document(_facts(lines), ok=not denied))
    else:
        for name, value in lines:
            print(f"{name:<{_WIDTH}} {value}".rstrip())
    if denied:
        raise typer.Exit(EXIT_DENIED)


def _facts(lines: Sequence[tuple[str, str]]) -> dict[str, object]:
    """Each name with its values: those without one of their own belong to the name before."""
    found: dict[str, list[str]] = {}
    last = ""
    for name, value in lines:
        last = name or last
        found.setdefault(last, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _refused(why: str) -> list[tuple[str, str]]:
    return [("decision", "denied"), ("", why)]


def _explained(
    asked: Asked, key: str | None, role: list[str] | None, settings: Config
) -> tuple[list[tuple[str, str]], bool]:
    """The lines about a request that is one, and whether it is denied."""
    roles = Roles(settings.roles)
    lines = [*_about(asked)]
    denied = False
    if asked.operation.public:
        lines.append(("decision", "allowed, for everybody: no key is needed"))
        if "health" in asked.operation.name:
            lines.append(
                ("", "names and addresses are shown to keys with read:gate alone; deep=1 ")
            )
            lines.append(("", "needs administer:gate"))
    elif key is not None or role or settings.auth.mode is AuthMode.NONE:
        who, grants, ended = _holder(key, role, roles, settings)
        lines.append(("who", who))
        decided, denied = _decided(grants, asked)
        if ended:
            decided, denied = _refused(ended), True
        lines += decided
    else:
        lines += _each_role(roles, asked)
    return lines, denied


def find(method: str, path: str, upstream: str | None, settings: Config) -> Destination:
    """Where a request leads, by the router that the gate itself uses.

    Args:
        method: of the request, in upper case.
        path: as a client sends it, or a whole URL.
        upstream: the upstream that it is for, with or without a prefix; ``None``: the one that its
            prefix leads to.
        settings: the configuration.

    Raises:
        HeadgateError: there is no such upstream.
    """
    from headgate.decide.routing import Router, upstreams_by_prefix
    from headgate.shields import Shield

    if "://" in path:
        path = urlsplit(path).path or "/"
    upstreams = upstreams_by_prefix(settings)
    if upstream is not None:
        if upstream not in settings.upstreams:
            names = ", ".join(settings.upstreams)
            raise HeadgateError(f"there is no upstream {upstream!r}: {names}")
        upstreams = dict.fromkeys(("", *settings.upstreams[upstream].prefixes), upstream)
    return Router(upstreams, Shield(settings.shields)).find(method.encode(), path.encode(), b"")


def _without_route(destination: Redirect | Respond | Refuse) -> list[tuple[str, str]]:
    """The lines about a request that leads to no route, for every sender."""
    from headgate.dataplane.decisions import Refuse

    if isinstance(destination, Refuse):
        reason = destination.refusal.reason.value
        return [("reason", reason), *_refused(destination.refusal.message)]
    return [("decision", "allowed, for every key: Headgate itself responds")]


def _about(asked: Asked) -> Iterator[tuple[str, str]]:
    found, operation = asked.found, asked.operation
    where = f"on upstream {found.upstream}" if found.upstream else "of the gate itself"
    if asked.workspace is not None:
        where += f", in workspace {asked.workspace}"
    yield "request", f"{asked.method} {found.path.decode('ascii')} {where}"
    yield "operation", operation.name
    families = (operation.family, *operation.also)
    yield "needs", ", ".join(needed(operation.action, family) for family in families)
    names = [f"{each.kind.value} in {each.name} ({each.place.value})" for each in operation.objects]
    if names:
        yield "names", "; ".join(names)


def _holder(
    key: str | None, role: Sequence[str] | None, roles: Roles, settings: Config
) -> tuple[str, Grants, str]:
    """Who it is, what they were given, and why their key opens nothing, if it does not."""
    if key is not None:
        found, owner = _key(key, settings)
        ended = "" if found.state == "active" else f"the key is {found.state}, so it opens nothing"
        text = f"key '{found.name}' ({found.id}), {_roles(found.roles)}"
        if owner.name != found.name or set(owner.roles) != set(found.roles):
            text += f", of '{owner.name}' with {_roles(owner.roles)}"
        if found.narrowing:
            text += f", narrowed to {', '.join(found.narrowing)}"
        grants = roles.grants_for(found.name, found.roles, owner.roles, found.narrowing)
        return text, grants, ended
    if role:
        for each in role:
            if each not in roles.names:
                raise HeadgateError(f"there is no role {each!r}: {', '.join(roles.names)}")
        return f"a key with {_roles(role)}", roles.grants_for("NAME", role), ""
    return "everybody (auth.mode is none)", roles.grants_for("anonymous", [ADMIN]), ""


def _key(key: str, settings: Config) -> tuple[KeyView, PrincipalView]:
    with open_identity_store(settings, create=False) as store:
        client = on_store(store, settings)
        found = client.key(key)
        return found, client.principal(found.principal_id)


def _roles(roles: Sequence[str]) -> str:
    if not roles:
        return "no role"
    return f"{'role' if len(roles) == 1 else 'roles'} {', '.join(roles)}"


def _decided(grants: Grants, asked: Asked) -> tuple[list[tuple[str, str]], bool]:
    """The lines about a decision, and whether it is no."""
    given = rules(grants, asked.operation, asked.found.upstream, asked.workspace)
    lines = [("rule", f"{write_grant(each.grant)}, of role {each.role}") for each in given]
    if asked.operation.any_key:
        return [("rule", "none is needed"), ("decision", "allowed")], False
    lines = lines or [("rule", "none: what no grant allows is denied")]
    match evaluate(grants, asked.operation, asked.found.upstream, asked.workspace):
        case Allowed():
            return [*lines, ("decision", "allowed")], False
        case Denied() as denied:
            return [*lines, ("decision", "denied"), ("", denied.message)], True
        case NeedsObject() as needs:
            narrow = asked.shield.for_narrowed_keys()
            if (refusal := narrow.check_path(asked.operation, asked.found.path)) is not None:
                return [*lines, *_refused(refusal.message)], True
            lines.append(("decision", "allowed, provided that"))
            lines += (("", describe(each)) for each in needs.requirements)
            return lines, False


def _each_role(roles: Roles, asked: Asked) -> Iterator[tuple[str, str]]:
    """A line for each role: whether a key that has it alone may do this."""
    yield "decision", "for a key with one role:"
    width = max(map(len, roles.names))
    for name in roles.names:
        lines, denied = _decided(roles.grants_for("NAME", [name]), asked)
        rule, verdict = lines[0][1], dict(lines)["decision"]
        if verdict.endswith("provided that"):
            verdict = "depends"
        yield "", f"{name:<{width}}  {verdict:<7}" + ("" if denied else f"  {rule}")
