"""A double of boto3's clients, whose calls are held against botocore's own model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.exceptions import ClientError, ParamValidationError
from botocore.validate import ParamValidator

Handler = Callable[..., Mapping[str, Any]]


class AwsDouble:
    """Clients whose calls are answered by functions.

    Args:
        handlers: by ``client.method``; a call that has none fails the test.
    """

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self.handlers = dict(handlers)
        self.calls: list[tuple[str, Mapping[str, Any]]] = []

    def client(self, name: str) -> Any:
        """The client of an API."""
        return _Client(self, name)

    def count(self, name: str) -> int:
        """How often a call was made."""
        return sum(called == name for called, _parameters in self.calls)


class _Client:
    def __init__(self, aws: AwsDouble, name: str) -> None:
        self._aws = aws
        self._name = name
        self._model = botocore.session.get_session().get_service_model(name)
        self._operations = {xform_name(each): each for each in self._model.operation_names}

    def __getattr__(self, method: str) -> Handler:
        if method.startswith("_") or method not in self._operations:
            raise AttributeError(method)
        shape = self._model.operation_model(self._operations[method]).input_shape

        def call(**parameters: Any) -> Mapping[str, Any]:
            report = ParamValidator().validate(parameters, shape)
            if report.has_errors():
                raise ParamValidationError(report=report.generate_report())
            name = f"{self._name}.{method}"
            self._aws.calls.append((name, parameters))
            return self._aws.handlers[name](**parameters)

        return call


def refused(code: str, message: str = "", status: int = 400) -> ClientError:
    """An error that AWS responds with."""
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status},
        },
        "Operation",
    )


class ManualClock:
    """``Clock`` on which sleeping takes no time."""

    def __init__(self, now: float = 1_000.0) -> None:
        self._now = now

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._now

    def monotonic(self) -> float:
        """The same."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
