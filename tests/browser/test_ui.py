"""MLflow's own web interface works in a browser behind the gate."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import ConsoleMessage, Page, Request, Response, expect, sync_playwright

from tests.support.debian import CHROMIUM, require
from tests.support.gate import Gate
from tests.support.mlflow_server import MlflowServer
from tests.support.patience import patience

PUBLIC_NAME = "mlflow.example"
PAGE_SECONDS = 30.0
CHROMIUM_ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    # Whatever a page asks for elsewhere fails immediately, and the test with it.
    f"--host-resolver-rules=MAP {PUBLIC_NAME} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
# MLflow's page asks who is logged in.  Only MLflow's own login application knows the path; every
# other MLflow answers 404, and the page then shows no account menu.
CURRENT_USER = "/ajax-api/2.0/mlflow/users/current"


@dataclass
class Traffic:
    """What a page asked for, and what came of it."""

    under_way: set[Request] = field(default_factory=set)
    answered: int = 0
    failures: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Follow every request and every complaint of ``page``."""
        page.on("request", self._began)
        page.on("requestfinished", self._ended)
        page.on("requestfailed", self._failed)
        page.on("response", self._answered)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.failures.append(f"page error: {error}"))

    def wait_until_settled(self, page: Page) -> None:
        """Wait until every request of the page has ended, one way or the other.

        The script of a worker is left out: the browser never reports its end to this side.
        """
        deadline = time.monotonic() + patience(PAGE_SECONDS)
        while under_way := [each for each in self.under_way if not each.url.endswith(".worker.js")]:
            assert time.monotonic() < deadline, [each.url for each in under_way]
            page.wait_for_timeout(50)

    def _began(self, request: Request) -> None:
        self.under_way.add(request)

    def _ended(self, request: Request) -> None:
        self.under_way.discard(request)

    def _failed(self, request: Request) -> None:
        self.under_way.discard(request)
        self.failures.append(f"{request.method} {request.url}: {request.failure}")

    def _answered(self, response: Response) -> None:
        self.answered += 1
        if response.status >= 400 and not response.url.endswith(CURRENT_USER):
            self.failures.append(f"{response.request.method} {response.url}: {response.status}")

    def _said(self, message: ConsoleMessage) -> None:
        where = str(message.location.get("url", ""))
        if message.type == "error" and not where.endswith(CURRENT_USER):
            self.failures.append(f"console: {message.text} ({where})")


@pytest.fixture
def page(key: str) -> Iterator[Page]:
    """A page of a fresh browser whose user gives the key as password when asked."""
    program = require(CHROMIUM)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM_ARGUMENTS)
        context = browser.new_context(
            viewport={"width": 1400, "height": 900},
            http_credentials={"username": "anybody", "password": key},
        )
        milliseconds = 1000 * patience(PAGE_SECONDS)
        context.set_default_timeout(milliseconds)
        expect.set_options(timeout=milliseconds)
        yield context.new_page()
        browser.close()


def create_run(gate: Gate, key: str, experiment: str, run: str) -> None:
    """Make an experiment with one run, over the REST API behind the gate."""

    def call(path: str, message: object) -> dict[str, str]:
        response = gate.ask(
            "POST",
            f"/mlflow/api/2.0/mlflow/{path}",
            "Content-Type: application/json",
            key=key,
            body=json.dumps(message).encode(),
        )
        assert response.status == 200, response
        created: dict[str, str] = json.loads(response.body)
        return created

    experiment_id = call("experiments/create", {"name": experiment})["experiment_id"]
    now = int(time.time() * 1000)
    call("runs/create", {"experiment_id": experiment_id, "run_name": run, "start_time": now})


@pytest.mark.parametrize(
    ("host", "prefix"),
    [
        ("127.0.0.1", "/mlflow"),
        ("127.0.0.1", "/api/mlflow"),
        ("127.0.0.1", ""),
        (PUBLIC_NAME, "/mlflow"),
    ],
)
def test_a_person_looks_at_an_experiment_and_its_run(
    host: str, prefix: str, gate: Gate, key: str, page: Page
) -> None:
    """The pages show what is there, and not one of their requests fails.

    Under a public name too, which MLflow by itself would refuse as ``Host`` and as ``Origin``.
    """
    experiment, run = f"seen on {host}{prefix}", f"run on {host}{prefix}"
    create_run(gate, key, experiment, run)
    traffic = Traffic()
    traffic.watch(page)

    page.goto(f"http://{host}:{gate.port}{prefix}/")
    page.get_by_role("link", name="Experiments").first.click()
    row = page.get_by_role("link", name=experiment, exact=True)
    expect(row).to_be_visible()
    page.get_by_text("Model training").click()
    traffic.wait_until_settled(page)
    row.click()
    run_link = page.get_by_role("link", name=run, exact=True)
    expect(run_link).to_be_visible()
    traffic.wait_until_settled(page)
    run_link.click()
    expect(page.get_by_role("heading", name=run)).to_be_visible()
    traffic.wait_until_settled(page)

    assert traffic.failures == []
    assert traffic.answered > 20
    assert urlsplit(page.url).path == f"{prefix}/"


def test_the_one_request_that_may_fail_fails_without_a_gate_too(
    gate: Gate, key: str, mlflow_server: MlflowServer
) -> None:
    """The exception that the test above makes is MLflow's own."""
    assert mlflow_server.ask("GET", CURRENT_USER).status == 404
    assert gate.ask("GET", CURRENT_USER, key=key).status == 404


COLD_LOAD = 1_400_000
"""Bytes that a browser without a cache may be sent until the first page stands."""


def test_a_first_visit_is_sent_little(gate: Gate, key: str, page: Page) -> None:
    """As Chromium counts what came over the network; MLflow alone sends it 5.4 MB."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    received: list[float] = []
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    traffic = Traffic()
    traffic.watch(page)
    page.goto(f"http://127.0.0.1:{gate.port}/mlflow/")
    expect(page.get_by_role("link", name="Experiments").first).to_be_visible()
    while len(received) <= 10:  # Chromium may tell of it later than the page shows it
        page.wait_for_timeout(50)
    traffic.wait_until_settled(page)
    assert traffic.failures == []
    assert sum(received) <= COLD_LOAD
