"""The page of the states of an upstream under maintenance, from the table that the gate runs by."""

from __future__ import annotations

from collections.abc import Iterator

from docs.reference_pages.diagrams import mermaid
from docs.reference_pages.markdown import GENERATED, table
from headgate.contract.rules import read_rules
from headgate.dataplane.parking import RELEASE_PATIENCE, SETTLE_SECONDS
from headgate.maintenance import STATES, TRANSITIONS, ParkState

_INTRODUCTION = """# Parking states

An upstream is in one of these states in each worker (`headgate.maintenance.states`): `serving`,
unless operators ask for something else. [Parking](../explanation/parking.md) says what it is for,
and what clients survive.

"""
_RULES = read_rules()
_REFUSED = ", ".join(f"`{each.name}`" for each in _RULES if each.stores)
_SERVED = ", ".join(f"`{each.name}`" for each in _RULES if each.stores_nothing)
_EXCEPTIONS = f"Refused all the same: {_REFUSED}. Served all the same: {_SERVED}."
_NOTES = f"""
- The credential that a park admits, the health checks and the gate's own questions pass in every
  state.
- Requests that MLflow executes for nobody, since their client has left or their connection broke,
  count as under way for {SETTLE_SECONDS:g} seconds more: MLflow does not learn of it.
- A release waits up to {RELEASE_PATIENCE:g} seconds for an endpoint that is in service.
- A park that is over stays over, also when the clock of the machine is set back.
- The read-only switch is no state of these: it can be on in any of them, and refuses requests for
  which MLflow may change its database or its artifact store. A GET changes neither, nor does what
  has the action `read`; all else may. {_EXCEPTIONS}
"""


def page() -> str:
    """The whole page."""
    return (
        GENERATED
        + _INTRODUCTION
        + mermaid(_lines())
        + "\n## The states\n\n"
        + table(
            ("State", "What is so in it", "A new request", "Those that are held", "Health says"),
            (
                (
                    f"`{each.state.value}`",
                    each.meaning,
                    each.admission.value,
                    each.waiting,
                    f"`{each.health}`" if each.health else "nothing of it",
                )
                for each in STATES
            ),
        )
        + _NOTES
        + "\n## The ways between them\n\n"
        + table(
            ("From", "To", "When"),
            (
                (f"`{each.before.value}`", f"`{each.after.value}`", each.cause.value)
                for each in TRANSITIONS
            ),
        )
    )


def _lines() -> Iterator[str]:
    yield "stateDiagram-v2"
    yield f"    [*] --> {ParkState.SERVING.value}"
    for each in TRANSITIONS:
        yield f"    {each.before.value} --> {each.after.value}: {_short(each.cause.name)}"


def _short(name: str) -> str:
    return name.lower().replace("_", " ")
