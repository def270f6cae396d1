"""What is kept of a request and its response."""

from __future__ import annotations

import errno
import json
import socket
import ssl
from http.client import RemoteDisconnected

import pytest
import requests
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPConnectionPool
from urllib3 import exceptions as urllib3_exceptions
from urllib3.connection import HTTPConnection

from headgate_verify.exchange import Fault, answered, fault_of, unanswered

POOL = HTTPConnectionPool("gate.example")
CONNECTION = HTTPConnection("gate.example")


def caused_by(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


def given_up(reason: Exception) -> Exception:
    """An error as requests raises it after urllib3 gave up."""
    return requests.ConnectionError(urllib3_exceptions.MaxRetryError(POOL, "/version", reason))


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (
            given_up(
                caused_by(
                    urllib3_exceptions.NewConnectionError(CONNECTION, "failed"),
                    ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
                )
            ),
            Fault.REFUSED,
        ),
        (
            given_up(
                caused_by(
                    urllib3_exceptions.NewConnectionError(CONNECTION, "failed"),
                    OSError(errno.EHOSTUNREACH, "no route"),
                )
            ),
            Fault.UNREACHABLE,
        ),
        (
            given_up(
                caused_by(
                    urllib3_exceptions.NameResolutionError("gate", CONNECTION, socket.gaierror()),
                    socket.gaierror(-2, "unknown"),
                )
            ),
            Fault.UNKNOWN_NAME,
        ),
        (given_up(urllib3_exceptions.SSLError(ssl.SSLError(1, "bad"))), Fault.TLS),
        (
            given_up(
                urllib3_exceptions.ProxyError(
                    "no tunnel", ConnectionRefusedError(errno.ECONNREFUSED, "refused")
                )
            ),
            Fault.PROXY,
        ),
        (
            given_up(urllib3_exceptions.ConnectTimeoutError(CONNECTION, "timed out")),
            Fault.CONNECT_TIMEOUT,
        ),
        (
            given_up(urllib3_exceptions.ReadTimeoutError(POOL, "/version", "timed out")),
            Fault.READ_TIMEOUT,
        ),
        (
            urllib3_exceptions.ProtocolError("aborted", RemoteDisconnected("closed")),
            Fault.BROKEN_OFF,
        ),
        (requests.exceptions.InvalidURL("no host"), Fault.OTHER),
    ],
)
def test_a_missing_response_is_classified_by_what_lies_beneath(
    error: Exception, fault: Fault
) -> None:
    assert fault_of(error) is fault


def test_a_chain_that_leads_back_to_itself_ends() -> None:
    error = RuntimeError("a")
    error.__context__ = ValueError(error)
    assert fault_of(error) is Fault.OTHER


def test_queries_are_not_kept() -> None:
    """They may carry credentials."""
    for target in ("/a/b?token=secret", "http://gate.example/a/b?token=secret"):
        assert unanswered("GET", target, OSError()).path == "/a/b"
        assert answered("GET", target, 200, {}, b"").path == "/a/b"


def test_a_response_of_the_gate_is_kept_with_its_marks() -> None:
    headers = CaseInsensitiveDict(
        {
            "x-headgate-reason": "draining",
            "x-request-id": "r-1",
            "content-type": "application/json; charset=utf-8",
        }
    )
    body = json.dumps({"error_code": "TEMPORARILY_UNAVAILABLE", "message": "Shutting\ndown."})
    exchange = answered("POST", "/x", 503, headers, body.encode())
    assert (exchange.reason, exchange.request_id) == ("draining", "r-1")
    assert exchange.content_type == "application/json"
    assert exchange.error_code == "TEMPORARILY_UNAVAILABLE"
    assert exchange.message == "Shutting down."


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"detail": "Not Found"}', "Not Found"),
        (
            b"<html><style>p {}</style><title>404</title><p>Not &amp; found</p></html>",
            "404 Not & found",
        ),
        (b"Invalid Host header", "Invalid Host header"),
        (b"[1, 2]", "[1, 2]"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"x" * 5000, "x" * 500),
        (b"", ""),
    ],
)
def test_the_message_is_found_in_every_shape_of_error(body: bytes, message: str) -> None:
    assert answered("GET", "/x", 404, {}, body).message == message


@pytest.mark.parametrize(
    ("status", "failed"), [(200, False), (204, False), (302, True), (404, True)]
)
def test_what_counts_as_failed(status: int, failed: bool) -> None:
    assert answered("GET", "/x", status, {}, b"").failed is failed


def test_no_response_counts_as_failed() -> None:
    assert unanswered("GET", "/x", OSError()).failed
