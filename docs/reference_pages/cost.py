"""The page of what a gate and MLflow cost in a month on AWS, computed from one table of prices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from docs.reference_pages.cloudwatch import (
    ALARM_PRICE,
    DASHBOARD_PRICE,
    LOG_PRICE,
    METRIC_PRICE,
    alarm_metrics,
    minute_bytes,
)
from docs.reference_pages.markdown import GENERATED, table
from headgate.discovery.cloudmap import LIST_SECONDS, REVISION_SECONDS
from headgate.telemetry.emf_selection import metric_count

HOURS: Final = 730
"""Hours of a month, as AWS's calculator counts them."""
SECONDS: Final = HOURS * 3600

# Dollars, us-east-1, on demand, Linux.  Taken from public pages and from memory in November 2026;
# none was asked of AWS.
VCPU_HOUR: Final = {"x86_64": 0.04048, "arm64": 0.03238}
GIB_HOUR: Final = {"x86_64": 0.004445, "arm64": 0.00356}
BALANCER_HOUR: Final = 0.0225
CAPACITY_UNIT_HOUR: Final = 0.008
DATABASE_HOUR: Final = 0.032  # db.t4g.small, PostgreSQL, one zone
DATABASE_GIB: Final = 0.115  # gp3, a month
BUCKET_GIB: Final = 0.023  # S3 Standard, a month
SECRET: Final = 0.40  # a month
ZONE: Final = 0.50  # a private hosted zone, a month
DISCOVERY_MILLION: Final = 1.00  # calls of DiscoverInstances and DiscoverInstancesRevision
ENDPOINT_HOUR: Final = 0.01  # an interface endpoint, in each zone
TRACKING_SERVER_HOUR: Final = {"Small": 0.60, "Medium": 1.40, "Large": 2.80}
"""SageMaker's MLflow tracking servers."""


@dataclass(frozen=True, slots=True)
class Task:
    """What Fargate bills for a service: tasks, each of so many vCPU and GiB."""

    count: int
    vcpu: float
    gib: float

    def cost(self, architecture: str) -> float:
        """Dollars a month."""
        hour = self.vcpu * VCPU_HOUR[architecture] + self.gib * GIB_HOUR[architecture]
        return self.count * hour * HOURS

    def __str__(self) -> str:
        return f"{self.count} tasks of {self.vcpu:g} vCPU and {self.gib:g} GiB"


GATE: Final = Task(2, 0.5, 1)
MLFLOW: Final = Task(2, 1, 4)
REQUESTS: Final = 3_000_000
"""Requests a month: a team of twenty, whose training writes a metric now and then."""
ARTIFACTS: Final = 200
"""GiB in the bucket."""
UPSTREAMS: Final = 1
ACCESS_LINE: Final = 1_000
"""Bytes of a line of the access log, about."""


@dataclass(frozen=True, slots=True)
class Item:
    """A line of the bill.  ``gate`` says whether it is there because of the gate."""

    name: str
    what: str
    cost: float
    gate: bool


def items(architecture: str = "arm64") -> list[Item]:
    """The bill of a month."""
    log_bytes = (
        REQUESTS * ACCESS_LINE + GATE.count * minute_bytes(UPSTREAMS, busy=True) * SECONDS / 60
    )
    metrics = metric_count(UPSTREAMS)
    looked = alarm_metrics(UPSTREAMS)
    return [
        Item("The gate on Fargate", str(GATE), GATE.cost(architecture), gate=True),
        Item(
            "Application Load Balancer",
            "one, and one capacity unit",
            (BALANCER_HOUR + CAPACITY_UNIT_HOUR) * HOURS,
            gate=False,
        ),
        Item(
            "Metrics in CloudWatch",
            f"{metrics} metrics, {looked} metrics of alarms, one dashboard",
            metrics * METRIC_PRICE + looked * ALARM_PRICE + DASHBOARD_PRICE,
            gate=True,
        ),
        Item(
            "Logs in CloudWatch",
            f"{log_bytes / 1e9:.1f} GB: {REQUESTS / 1e6:g} million lines of the access log, and "
            "the documents for metrics at their largest",
            log_bytes / 1e9 * LOG_PRICE,
            gate=True,
        ),
        Item("Secrets", "two: databases of MLflow and of keys", 2 * SECRET, gate=False),
        Item("Service discovery by DNS", "one private zone", ZONE, gate=True),
        Item("MLflow on Fargate", str(MLFLOW), MLFLOW.cost(architecture), gate=False),
        Item(
            "PostgreSQL",
            "one small instance in one zone with 20 GiB, which keys share",
            DATABASE_HOUR * HOURS + 20 * DATABASE_GIB,
            gate=False,
        ),
        Item("Artifacts", f"{ARTIFACTS} GiB in S3", ARTIFACTS * BUCKET_GIB, gate=False),
    ]


def discovery_cost(workers: int) -> float:
    """Dollars a month for asking Cloud Map's API, for one upstream."""
    calls = workers * SECONDS * (1 / REVISION_SECONDS + 1 / LIST_SECONDS)
    return calls / 1e6 * DISCOVERY_MILLION


def page() -> str:
    """The whole page."""
    bill = items()
    total, gate = sum(each.cost for each in bill), sum(each.cost for each in bill if each.gate)
    x86 = sum(each.cost for each in items("x86_64"))
    return (
        GENERATED
        + f"""# What it costs

What a gate and an MLflow server cost in a month on AWS, beside the managed offers. The sums are
computed from one table of prices in `docs/reference_pages/cost.py`: dollars in us-east-1, on
demand, November 2026, {HOURS} hours. The prices come from public pages and from memory; **none
was asked of AWS**, discounts, free tiers and taxes are left out, and other regions differ by up
to a third. Look at the [calculator](https://calculator.aws) before you decide.

## The gate and MLflow on Fargate

A team of about twenty, {REQUESTS / 1e6:g} million requests a month, on ARM:

"""
        + table(
            ("", "What", "$ a month", "Because of the gate"),
            (
                *(
                    (each.name, each.what, f"{each.cost:.2f}", "yes" if each.gate else "no")
                    for each in bill
                ),
                ("**Together**", "", f"**{total:.2f}**", f"**{gate:.2f}**"),
            ),
        )
        + f"""
The same on x86-64: ${x86:.2f}. Fargate Spot costs about a third, but takes tasks away with two
minutes' notice: good for neither of these two services.

Without the gate, the same MLflow would cost ${total - gate:.2f}, with the load balancer and
without authentication, so the gate adds ${gate:.2f}. What changes that sum most:

- **The size of the tasks.** One worker serves some thousand requests in a second
  ([performance](performance.md)); two tasks are there so that one may fail. With 0.25 vCPU and
  0.5 GiB each, they cost ${Task(2, 0.25, 0.5).cost("arm64"):.2f}.
- **The access log.** Each million requests costs ${1e6 * ACCESS_LINE / 1e9 * LOG_PRICE:.2f} to
  take in. [`log.sample`](../reference/configuration.md#log) makes it smaller.
- **Metrics and alarms.** [The table](../reference/cloudwatch.md#costs) has the sums for more
  upstreams. A Prometheus that you run already costs nothing here.
- **Discovery through Cloud Map's API** (`cloudmap://…`) instead of DNS: each worker asks every
  {REVISION_SECONDS:g} and every {LIST_SECONDS:g} seconds, ${discovery_cost(1):.2f} a month for
  one worker and one upstream at ${DISCOVERY_MILLION:.2f} for a million calls. DNS costs the zone.
- **Private subnets** need a NAT gateway (about $33 a month for each zone, and $0.045 for each
  GB), or interface endpoints for ECR, logs, Secrets Manager and Cloud Map
  (${ENDPOINT_HOUR * HOURS:.2f} a month for each endpoint and zone). Artifacts should reach S3 by
  its gateway endpoint, which costs nothing: through a NAT gateway each GB is billed.
- **Traffic between zones** costs $0.01 for each GB and direction. `balance.zone` keeps it within
  a zone.

## Managed offers

"""
        + table(("Offer", "$ a month", "What to know"), _managed())
        + """
What these offers include, and this table does not count: the hours of the people who run MLflow.
What they do not give is stated from their public documentation and may have changed: your choice
of MLflow's version and plugins on the day that it is released, clients outside their cloud
without that cloud's credentials, and one front door for several servers.

CloudWatch's part of each of them comes on top, as it does above.
"""
    )


def _managed() -> Iterator[Sequence[str]]:
    for name, price in TRACKING_SERVER_HOUR.items():
        yield (
            f"SageMaker, MLflow tracking server, {name}",
            f"{price * HOURS:.2f}",
            (
                f"${price:.2f} an hour while it runs; storage of metadata and S3 on top. Clients "
                "need AWS credentials and a plugin."
            ),
        )
    yield (
        "SageMaker, serverless MLflow",
        "0",
        (
            "Announced in December 2025 without a charge of its own; S3 on top. Versions and "
            "limits are AWS's choice."
        ),
    )
    yield (
        "Databricks, managed MLflow",
        "part of the platform",
        "No price of its own; needs a workspace, whose computing is billed in DBU.",
    )
    yield (
        "Azure Machine Learning",
        "0",
        (
            "A workspace speaks a part of MLflow's API; storage and registry are billed, clients "
            "need a plugin and Entra ID."
        ),
    )
