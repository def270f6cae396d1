"""``headgate ecs drill``."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from headgate import __version__
from headgate.cli.command import AsJson, Command
from headgate.cli.deploy_verifying import terminable
from headgate.cli.deploy_views import View
from headgate.cli.ecs.mlflow_schema import schema_at
from headgate.cli.ecs.options import Cluster, Container, Region, ServiceName, connected, target_of
from headgate.cli.ecs.running import (
    DEFAULT_SIZE,
    Timeout,
    VerifyPython,
    VerifySize,
    VerifyUrl,
    site_of,
    told_by,
    verifier_at,
    view_of,
)
from headgate.cli.output import document
from headgate.deploy.clock import SystemClock
from headgate.deploy.ecs import drill as acts
from headgate.deploy.ecs.drill import Drill, Performance, guarded
from headgate.deploy.ecs.faults import Fault, injecting
from headgate.deploy.ecs.ordering import Order
from headgate.deploy.ecs.plane import ControlPlane
from headgate.deploy.ecs.preparing import preparing, unchanged
from headgate.deploy.ecs.records import Target
from headgate.deploy.ecs.report import Circumstances, markdown
from headgate.deploy.ecs.rollback import Rollback
from headgate.deploy.ecs.rollout import Rollout
from headgate.deploy.outcome import Outcome, Verify
from headgate.errors import HeadgateError

commands = typer.Typer()


@commands.command("drill", cls=Command)
def drill(
    cluster: Cluster,
    service: ServiceName,
    image: Annotated[
        str, typer.Option(metavar="IMAGE", help="The gate's image, with a tag of ECR or a digest.")
    ],
    verify_url: VerifyUrl = None,
    fault: Annotated[Fault, typer.Option(help="What is wrong with the second deployment.")] = (
        Fault.CRASH
    ),
    report: Annotated[
        Path,
        typer.Option(metavar="FILE", help="The report; beside it the same as .json."),
    ] = Path("drill.md"),
    timeout: Timeout = 1800.0,
    anywhere: Annotated[
        bool,
        typer.Option(
            "--i-know-this-is-not-a-test-service",
            help="Also if the service's tag headgate:environment is not development or staging.",
        ),
    ] = False,
    container: Container = "headgate",
    region: Region = None,
    verify_size: VerifySize = DEFAULT_SIZE,  # type: ignore[assignment]  # the parser reads it
    python: VerifyPython = None,
    as_json: AsJson = False,
) -> None:
    """Rehearse a deployment, a fault and the way back.

    Deploys the image, deploys it with a fault, rolls back to what ran at first, and writes a
    report with the times.  Exit code 0: every command ended as it must; 1: one did not; 2:
    nothing was done; 5: another deployment is going on.
    """
    if fault is Fault.VERIFY and verify_url is None:
        raise HeadgateError("--fault verify needs --verify-url: nothing else would notice it")
    _check_writable(report)
    verify = None if verify_url is None else verifier_at(verify_url, verify_size, python)
    schema = None if verify_url is None else schema_at(verify_url, python)
    clock, target = SystemClock(), target_of(cluster, service, container)
    view = view_of(as_json)
    plane = connected(target, region, clock, told_by(view))
    caller, found = plane.caller(), plane.service()
    environment = guarded(found, anywhere)
    performance = _performed(
        Drill(
            _deploying(plane, target, view, Order(image, 0.0, timeout), verify, verify_size),
            _returning(plane, target, view, timeout, verify),
            schema,
        ),
        lambda made: made.perform(found, environment, fault),
    )
    where = Circumstances(
        at=clock.now(),
        cluster=cluster,
        service=service,
        region=caller.region,
        operator=caller.arn,
        image=image,
        endpoint=plane.endpoint(),
        verified=verify_url or "",
        versions=_versions(python),
    )
    _write(report, where, performance)
    if as_json:
        print(document(acts.document(performance), ok=not performance.problem))
    else:
        passed = "Passed" if not performance.problem else f"Failed: {performance.problem}"
        print(f"{passed}. The report is in {report} and {report.with_suffix('.json')}.")
    if performance.code:
        raise typer.Exit(int(performance.code))


def _performed(drill_: Drill, perform: Callable[[Drill], Performance]) -> Performance:
    with terminable():
        try:
            return perform(drill_)
        except KeyboardInterrupt:
            raise HeadgateError("stopped on request; nothing was done") from None


def _deploying(
    plane: ControlPlane,
    target: Target,
    view: View,
    order: Order,
    verify: Verify | None,
    size: int,
) -> Callable[[Fault | None], Outcome]:
    def deploy(fault: Fault | None) -> Outcome:
        change = unchanged if fault is None else injecting(fault, size)
        name = "the image" if fault is None else f"with the fault {fault.value!r}"
        view.heading(f"deploy {name}")
        with view.live():
            site = site_of(plane, target, SystemClock(), view)
            prepare = preparing(plane, target, plane.caller().arn, change)
            # The image has upgraded the key store by then; with a fault it might not be able to.
            mine = replace(order, upgrade=fault is None)
            return Rollout(site, mine, prepare, verify).run()

    return deploy


def _returning(
    plane: ControlPlane, target: Target, view: View, timeout: float, verify: Verify | None
) -> Callable[[str], Outcome]:
    def rollback(to: str) -> Outcome:
        view.heading("roll back")
        with view.live():
            return Rollback(site_of(plane, target, SystemClock(), view), to, timeout, verify).run()

    return rollback


def _versions(python: Path | None) -> dict[str, str]:
    """What took part on this machine."""
    found = {"Headgate here": __version__, "Python here": platform.python_version()}
    program = "import mlflow; print(mlflow.__version__)"
    try:
        said = subprocess.run(  # noqa: S603 - the operator chooses the interpreter
            [str(python or sys.executable), "-P", "-c", program],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return found
    return found | {"MLflow's client": said}


def _check_writable(report: Path) -> None:
    """Find out before the drill, not after it.

    Raises:
        HeadgateError: the report could not be written there.
    """
    if not report.parent.is_dir():
        raise HeadgateError(f"--report: there is no folder {report.parent}")
    beside = report.with_suffix(".json")
    if beside == report:
        raise HeadgateError(
            f"--report names the Markdown file, such as {report.with_suffix('.md')}: {beside} is "
            "written beside it"
        )
    for path in (report, beside):
        if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
            raise HeadgateError(f"--report: cannot write {path}")


def _write(report: Path, where: Circumstances, found: Performance) -> None:
    fields: dict[str, Any] = {
        "cluster": where.cluster,
        "service": where.service,
        "region": where.region,
        "operator": where.operator,
        "image": where.image,
        "endpoint": where.endpoint,
        "on_aws": not where.endpoint,
        "verified": where.verified,
        "versions": dict(where.versions),
        **acts.document(found),
    }
    try:
        report.write_text(markdown(where, found), encoding="utf-8")
        report.with_suffix(".json").write_text(json.dumps(fields, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise HeadgateError(f"cannot write {report}: {error.strerror}") from None
