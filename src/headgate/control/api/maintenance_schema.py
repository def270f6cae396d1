"""What the endpoints about maintenance take and return."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from headgate.control.api.values import Model, Timestamp, whole_number
from headgate.maintenance import changes

Sentence = Annotated[str, StringConstraints(max_length=changes.SENTENCE_LENGTH)]
ParkId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
StateName = Literal["serving", "draining", "parked", "refusing", "releasing"]
_WHY = "Why, in one line: clients and other operators see it."


class ShownPark(Model):
    """A park that is in force."""

    id: str = Field(examples=["6f1c0e5a9b3d7742"])
    by: str = Field(description="The name of the principal that asked for it.")
    sentence: str = Field(description="Why.")
    started_at: Timestamp
    ends_at: Timestamp = Field(
        description="When it ends by itself. A lease that is over does not let clients go on: "
        "requests are refused then, until it is renewed or ended."
    )
    lease: bool = Field(description="Whether a command holds it and renews it.")
    admits: str | None = Field(description="The id of the credential whose requests pass.")


class ShownReadOnly(Model):
    """Why, and until when, an upstream is read-only."""

    id: str
    by: str = Field(description="The name of the principal that asked for it.")
    sentence: str = Field(description="Why.")
    started_at: Timestamp
    ends_at: Timestamp


class UpstreamGate(Model):
    """How an upstream stands at one gate, all of its workers together."""

    id: str = Field(examples=["g_4hX0aPq2"])
    name: str = Field(description="Its host and address.")
    version: str = Field(description="Of Headgate.")
    workers: int
    seen_at: Timestamp = Field(description="When it reported last.")
    revision: int = Field(description="Of what is asked: that which every worker follows.")
    state: StateName | Literal["missing"] = Field(
        description="`missing`: it has not reported for a minute. It counts as one that has not "
        "acknowledged until it is back or is removed."
    )
    in_flight: int = Field(
        description="Requests under way at MLflow. This and the next are some seconds old while "
        "nothing is asked of the upstream."
    )
    waiting: int = Field(description="Requests that wait at the gate.")
    writing: int = Field(
        description="Requests under way that may change something, while it is read-only."
    )


class Upstream(Model):
    """What is asked of an upstream, and how its gates stand."""

    name: str
    state: StateName = Field(description="Of all gates together.")
    revision: int = Field(description="How often what is asked has changed.")
    park: ShownPark | None
    read_only: ShownReadOnly | None
    gates: list[UpstreamGate]
    acknowledged: bool = Field(description="Whether every registered gate does what is asked.")
    drained: bool = Field(
        description="Whether it is parked, every gate has acknowledged that, and MLflow executes "
        "no request of a client any more."
    )


class UpstreamList(Model):
    """Every upstream of this gate, and others of which something is asked."""

    upstreams: list[Upstream]


class ParkRequest(Model):
    """How to park an upstream."""

    seconds: Annotated[int, BeforeValidator(whole_number)] = Field(
        changes.USUAL_SECONDS,
        ge=1,
        le=changes.MOST_SECONDS,
        description="After that it ends by itself. A lease has "
        f"{changes.LEAST_LEASE} to {changes.MOST_LEASE}.",
    )
    sentence: Sentence = Field("", description=_WHY)
    lease: bool = Field(
        False,
        description="A command holds the park and renews it. When it does not, requests are "
        "refused, and do not go on.",
    )
    admits: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        None, description="The id of a key or token whose requests pass all the same."
    )


class RenewRequest(Model):
    """Which lease to renew, and for how long."""

    park: ParkId
    seconds: Annotated[int, BeforeValidator(whole_number)] = Field(
        60,
        ge=changes.LEAST_LEASE,
        le=changes.MOST_LEASE,
        description="From now on.",
    )
    admits: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        None,
        description="The id of the key or token whose requests pass from now on. Default: that of "
        "before.",
    )


class UnparkRequest(Model):
    """Which park to end; the body may be left out."""

    park: ParkId | None = Field(None, description="Default: whichever there is.")
    force: bool = Field(False, description="End also a lease, which a command counts on.")


class ReadOnlyRequest(Model):
    """Whether an upstream is to be read-only."""

    on: bool
    id: ParkId | None = Field(
        None,
        description="With `on` false: end only what has this id, so that nobody ends what another "
        "has asked for meanwhile.",
    )
    seconds: Annotated[int, BeforeValidator(whole_number)] = Field(
        changes.USUAL_READ_ONLY,
        ge=1,
        le=changes.MOST_READ_ONLY,
        description="After that writes go on by themselves.",
    )
    sentence: Sentence = Field("", description=_WHY)


class Gate(Model):
    """A gate that follows what is asked of upstreams."""

    id: str = Field(examples=["g_4hX0aPq2"])
    name: str = Field(description="Its host and address.")
    version: str = Field(description="Of Headgate.")
    workers: int
    seen_at: Timestamp = Field(description="When it reported last.")
    state: Literal["present", "missing"] = Field(
        description="`missing`: it has not reported for a minute."
    )


class GateList(Model):
    """Every gate that has reported and has not left."""

    gates: list[Gate]


class OneGate(Model):
    """A gate."""

    gate: Gate
