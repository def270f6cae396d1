"""What the commands that change a service share: verification, and how they are stopped."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from headgate.cli.verifier import Order, verifying
from headgate.cli.verify_report import Report
from headgate.deploy.outcome import Verification
from headgate.errors import HeadgateError


def verified(order: Order) -> Verification:
    """What ``headgate verify`` finds."""
    report = Report(url=order.url, auth=order.auth)
    try:
        with verifying(order) as verifier:
            for event in verifier.events():
                report.add(event)
            if not report.complete:
                report.error = verifier.why_it_ended()
    except HeadgateError as error:
        return Verification(False, str(error))
    return Verification(report.passed, _summary(report))


def _summary(report: Report) -> str:
    if report.error:
        return f"the verification did not finish: {report.error}"
    if report.passed:
        return f"all {len(report.steps)} steps passed in {report.seconds:.1f} s"
    failed = [each for each in report.steps.values() if each.result == "failed"]
    causes = (f"{each.name!r} ({(each.failure or {}).get('cause', 'failed')})" for each in failed)
    return f"{len(failed)} of {len(report.steps)} steps failed: {', '.join(causes)}"


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM, and a terminal that hangs up, stop the command as Ctrl-C does.

    It then rolls back what it began.  Where SIGHUP is ignored (``nohup``), it stays so.
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    former = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
