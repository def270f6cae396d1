"""Why the admin API did not do what it was asked, as responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from starlette.responses import Response

from headgate.control.api.reading import BadRequestError
from headgate.control.api.schema import EntryProblem, Error
from headgate.control.api.store_thread import StoreBusyError, StoreUnavailableError
from headgate.control.api.values import Model
from headgate.identity import Conflict, IdentityError, ImportRefused, NotAllowed, NotFound
from headgate.reasons import Reason

REASON_HEADER = "x-headgate-reason"
RETRY_SECONDS = 2
UNPROCESSABLE = 422
_IDENTITY: Final[Mapping[type[IdentityError], tuple[Reason, int]]] = {
    NotFound: (Reason.NOT_FOUND, 404),
    Conflict: (Reason.CONFLICT, 409),
    NotAllowed: (Reason.FORBIDDEN, 403),
    IdentityError: (Reason.REQUEST_INVALID, UNPROCESSABLE),
}
_BUSY = "Too many requests to the admin API wait for the key store; nothing was done."
_READ_AGAIN = "Keys go on working. Send the request again in a moment"
_WRITE_AGAIN = (
    "Keys go on working. Look whether the change was made before you send the request again"
)
_CURE = "`headgate db check` on the gate's machine says what is wrong."


def written(model: Model) -> str:
    """The body of a response."""
    return model.model_dump_json(exclude_unset=True) + "\n"


def respond(body: str, status: int) -> Response:
    """A good response; no cache may keep it, for it may have a secret."""
    return _response(body, status, Reason.OK)


def refuse(error: Exception, *, writes: bool) -> Response:
    """The response to a request that was not done.

    Args:
        error: one of those that reading a request and administering raise.
        writes: whether the request was to change something.
    """
    if isinstance(error, IdentityError):
        reason, status = _kind_of(error)
        problems = _problems(error) if isinstance(error, ImportRefused) else ()
        return _refusal(reason, _sentence(error), status, problems)
    if isinstance(error, BadRequestError):
        return _refusal(Reason.REQUEST_INVALID, f"Headgate refused the request: {error}.")
    if isinstance(error, StoreUnavailableError):
        return _refusal(Reason.STORE_UNAVAILABLE, _unavailable(error, writes=writes))
    if isinstance(error, StoreBusyError):
        return _refusal(Reason.OVERLOADED, _BUSY)
    raise error


def _kind_of(error: IdentityError) -> tuple[Reason, int]:
    """The reason and the status; of several problems, theirs if they have the same."""
    if isinstance(error, ImportRefused):
        kinds = {_kind_of(each.error) for each in error.problems}
        return kinds.pop() if len(kinds) == 1 else _IDENTITY[IdentityError]
    return next(said for kind, said in _IDENTITY.items() if isinstance(error, kind))


def _problems(error: ImportRefused) -> list[EntryProblem]:
    return [
        EntryProblem(
            index=each.index, message=str(each.error), reason=_kind_of(each.error)[0].value
        )
        for each in error.problems
    ]


def no_keys() -> Response:
    """The gate has no key store."""
    return _refusal(
        Reason.CONFLICT,
        "Headgate refused the request: this gate runs without keys (auth.mode = 'none'), so there "
        "are no keys and principals to administer.",
    )


def _unavailable(error: StoreUnavailableError, *, writes: bool) -> str:
    if error.untouched:
        return f"Headgate cannot use its key store, so nothing was done. {_READ_AGAIN}; {_CURE}"
    if writes:
        return (
            "Headgate lost its key store while it made the change, and cannot say whether it was "
            f"made. {_WRITE_AGAIN}; {_CURE}"
        )
    return f"Headgate cannot read its key store. {_READ_AGAIN}; {_CURE}"


def _sentence(error: IdentityError) -> str:
    text = str(error)
    end = "" if text.endswith((".", "?")) else "."
    return f"Headgate refused the request: {text}{end}"


def _refusal(
    reason: Reason,
    message: str,
    status: int | None = None,
    problems: Sequence[EntryProblem] = (),
) -> Response:
    more = {"problems": list(problems)} if problems else {}
    error = Error(error_code=reason.error_code, message=message, reason=reason.value, **more)
    return _response(written(error), status or reason.status, reason)


def _response(body: str, status: int, reason: Reason) -> Response:
    headers = {REASON_HEADER: reason.value, "Cache-Control": "no-store"}
    if reason.retryable:
        headers["Retry-After"] = str(RETRY_SECONDS)
    return Response(
        body,
        status_code=status,
        headers=headers,
        media_type="application/json",
    )
