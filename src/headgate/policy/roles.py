"""Roles: named sets of grants, built in or from the configuration."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from headgate.errors import Problem
from headgate.model import FAMILIES, Action, Area, Grant, GrantFromRole, Grants
from headgate.policy.comparison import held_to
from headgate.policy.grammar import GrantError, parse_grant
from headgate.policy.scopes import LIES_IN, counts_for

ADMIN: Final = "admin"
LLM_USER: Final = "llm-user"
DEFAULT_ROLES: Final = ("writer", "publisher")
"""The roles of a new key by default: everything that MLflow's client does day by day."""

NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?")


_Asked = tuple[tuple[str, ...], tuple[str, ...] | None, tuple[str, ...]]
"""Names of roles, those of the owner, and grants."""

_MOST_COMPILED: Final = 10_000


def _families(area: Area) -> tuple[str, ...]:
    return tuple(name for name, family in FAMILIES.items() if family.area is area)


_TRACKED: Final = _families(Area.TRACKING)
_REGISTERED: Final = _families(Area.REGISTRY)
_SHARED: Final = _families(Area.SHARED)


class RoleText(Protocol):
    """A role in the configuration."""

    @property
    def grants(self) -> Sequence[str]:
        """Grants, in the syntax of ``headgate.policy.grammar``."""
        ...

    @property
    def includes(self) -> Sequence[str]:
        """Names of roles whose grants this role also has."""
        ...


@dataclass(frozen=True, slots=True)
class Role:
    """A built-in role; ``meaning`` is for the docs."""

    meaning: str
    grants: tuple[str, ...]
    includes: tuple[str, ...] = ()


BUILT_IN: Final[Mapping[str, Role]] = {
    "viewer": Role(
        "Reads everything except what only administrators need.",
        tuple(f"read:{family}" for family in (*_TRACKED, *_REGISTERED, *_SHARED)),
    ),
    "writer": Role(
        "Creates, changes and deletes experiments and everything in them; adds MCP servers and "
        "skills.",
        (
            *(f"write:{family}" for family in _TRACKED),
            *(f"delete:{family}" for family in _TRACKED),
            "write:prompts",
        ),
        includes=("viewer",),
    ),
    "publisher": Role(
        "Creates, changes and deletes models, prompts, MCP servers and skills in the registry.",
        (
            *(f"write:{family}" for family in _REGISTERED),
            *(f"delete:{family}" for family in _REGISTERED),
            # Registering a logged model tags it with the version; its files stay where they are
            # (mlflow.tracking._model_registry.fluent.register_model, 3.17.2).
            "write:logged-models",
        ),
        includes=("viewer",),
    ),
    LLM_USER: Role(
        "Calls models through MLflow's AI gateway, which costs money. Changing the gateway takes "
        "the role `admin`.",
        ("read:ai-gateway", "write:ai-gateway", "read:meta"),
    ),
    ADMIN: Role("Allows everything.", ("*:*",)),
}

CALLS: Final = (Action.WRITE, "ai-gateway")
"""The action and family of model calls through the AI gateway."""
HAD_CALLS: Final = "writer"
"""The role that allowed these calls in earlier versions."""


class Roles:
    """The roles that keys may have.

    Args:
        own: the roles of the configuration, in which ``problems`` finds no problem.

    Raises:
        GrantError: a grant cannot be read.
    """

    def __init__(self, own: Mapping[str, RoleText] | None = None) -> None:
        self._texts: dict[str, RoleText] = {**BUILT_IN, **(own or {})}
        self._grants = {
            name: tuple(parse_grant(text) for text in role.grants)
            for name, role in self._texts.items()
        }
        self._ask_for = self._advice()
        self._compiled: dict[_Asked, Grants] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all roles, built-in ones first."""
        return tuple(self._texts)

    def text(self, name: str) -> RoleText:
        """A role as it is declared."""
        return self._texts[name]

    def __contains__(self, name: str) -> bool:
        """Whether there is a role of that name."""
        return name in self._texts

    def given(self, name: str) -> tuple[GrantFromRole, ...]:
        """The grants of a role: its own, then those of the roles that it includes."""
        return tuple(
            GrantFromRole(role, grant)
            for role in self._with_included([name])
            for grant in self._grants[role]
        )

    def grants_for(
        self,
        holder: str,
        roles: Sequence[str],
        owner_roles: Sequence[str] | None = None,
        narrowing: Sequence[str] = (),
    ) -> Grants:
        """The grants of the key ``holder`` with ``roles``; an unknown role grants nothing.

        Args:
            holder: what people call the key.
            roles: the names of its roles.
            owner_roles: those of the principal that it belongs to, which hold it to what they
                allow; ``None``: it belongs to none.
            narrowing: grants that hold it to what they allow, if there are any; one that cannot be
                read allows nothing.
        """
        asked = (
            tuple(roles),
            None if owner_roles is None else tuple(owner_roles),
            tuple(narrowing),
        )
        compiled = self._compiled.get(asked)
        if compiled is None:
            if len(self._compiled) >= _MOST_COMPILED:
                self._compiled.clear()
            compiled = self._compiled[asked] = self._compile(*asked)
        return replace(compiled, holder=holder)

    def lost_calls(self, roles: Sequence[str]) -> bool:
        """Whether a key with ``roles`` lost model calls, which ``HAD_CALLS`` once allowed."""
        action, family = CALLS
        given = self.grants_for("", roles).by_family.get(family, ())
        known = [name for name in roles if name in self._texts]
        return HAD_CALLS in self._with_included(known) and not any(
            grant.action in (None, action) for _, grant in given
        )

    def _compile(
        self,
        names: tuple[str, ...],
        owner_names: tuple[str, ...] | None,
        narrowing: tuple[str, ...],
    ) -> Grants:
        given = self._given_together(names)
        if owner_names is not None and owner_names != names:
            given = held_to(given, [grant for _, grant in self._given_together(owner_names)])
        if narrowing:
            given = held_to(given, _readable(narrowing))
        by_family = {
            family: found
            for family in FAMILIES
            if (found := tuple(each for each in given if counts_for(each.grant, family)))
        }
        everywhere = {
            family: actions
            for family, found in by_family.items()
            if (actions := _unconditional(each.grant for each in found))
        }
        return Grants(
            roles=names,
            missing=tuple(
                name
                for name in dict.fromkeys((*names, *(owner_names or ())))
                if name not in self._texts
            ),
            by_family=by_family,
            everywhere=everywhere,
            reads_all=all(
                Action.READ in everywhere.get(family, ()) for _, family in LIES_IN.values()
            ),
            ask_for=self._ask_for,
        )

    def _given_together(self, names: Sequence[str]) -> list[GrantFromRole]:
        """The grants of several roles, of which some may not exist."""
        known = [name for name in names if name in self._texts]
        return [
            GrantFromRole(role, grant)
            for role in self._with_included(known)
            for grant in self._grants[role]
        ]

    def _with_included(self, names: Sequence[str]) -> list[str]:
        """``names`` and what they include, each once."""
        found: list[str] = []
        waiting = list(names)
        while waiting:
            name = waiting.pop(0)
            if name not in found:
                found.append(name)
                waiting += self._texts[name].includes
        return found

    def _advice(self) -> dict[tuple[Action, str], str]:
        """The first role that allows each action on the whole of each family.

        Other roles go before ``admin``, which is suggested only for administering, so that no one
        asks for all rights to get one.
        """
        found: dict[tuple[Action, str], str] = {}
        for name in sorted(self._texts, key=lambda name: name == ADMIN):
            grants = [each.grant for each in self.given(name)]
            for family in FAMILIES:
                for action in _unconditional(each for each in grants if counts_for(each, family)):
                    if name != ADMIN or action is Action.ADMINISTER:
                        found.setdefault((action, family), name)
        return found


def problems(own: Mapping[str, RoleText], upstreams: Collection[str]) -> Iterator[Problem]:
    """Problems of the roles in a configuration, except grants with invalid syntax."""
    known = [*BUILT_IN, *own]
    for name, role in own.items():
        path = f"roles.{name}"
        if name in BUILT_IN:
            yield Problem(
                path,
                "is a built-in role; choose another name, and include it if you need its grants",
            )
        if NAME.fullmatch(name) is None:
            yield Problem(
                path,
                "is not a valid role name: use lower-case letters and digits, with - and _ between "
                "them, at most 64",
            )
        for at, included in enumerate(role.includes):
            if included not in known:
                yield Problem(
                    f"{path}.includes.{at}", f"there is no role '{included}': {', '.join(known)}"
                )
        if _includes_itself(name, own):
            yield Problem(
                f"{path}.includes", "the role includes itself, directly or through other roles"
            )
        for at, text in enumerate(role.grants):
            upstream = _upstream_of(text)
            if upstream is not None and upstream not in upstreams:
                yield Problem(
                    f"{path}.grants.{at}",
                    f"there is no upstream '{upstream}': {', '.join(upstreams)}",
                )


def _includes_itself(name: str, own: Mapping[str, RoleText]) -> bool:
    waiting, seen = list(own[name].includes), set[str]()
    while waiting:
        included = waiting.pop()
        if included == name:
            return True
        if included in own and included not in seen:
            seen.add(included)
            waiting += own[included].includes
    return False


def _upstream_of(text: str) -> str | None:
    try:
        return parse_grant(text).upstream
    except GrantError:
        return None  # reported with the problems of this setting


def _readable(texts: Sequence[str]) -> list[Grant]:
    found = []
    for text in texts:
        try:
            found.append(parse_grant(text))
        except GrantError:
            continue  # of a newer version, or not of the project's making
    return found


def _unconditional(grants: Iterator[Grant]) -> tuple[Action, ...]:
    found: list[Action] = []
    for grant in grants:
        if grant.on is None and grant.upstream is None and grant.workspace is None:
            found += Action if grant.action is None else (grant.action,)
    return tuple(dict.fromkeys(found))
