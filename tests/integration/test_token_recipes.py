"""The how-tos about tokens, followed to the letter: real gate, real MLflow, real client.

What stands for a platform is the service that hands out its tokens; the program text, the shell
commands and the gate's configuration are those of the pages.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import botocore.session
import pytest
import yaml
from botocore import xform_name

from tests.support import recipes
from tests.support.client import run_client
from tests.support.debian import CURL, require
from tests.support.gate import LOG_SECONDS
from tests.support.issued_tokens import (
    AWS,
    ENTRA,
    GITHUB,
    GITLAB,
    GOOGLE,
    KUBERNETES,
    PLATFORMS,
    Platform,
)
from tests.support.mlflow_server import MlflowServer
from tests.support.platforms import (
    ENTRA_SECRET,
    GITHUB_REQUEST_TOKEN,
    aws_sts,
    entra_tokens,
    github_runner,
    google_metadata,
)
from tests.support.processes import clean_environment
from tests.support.recipe_gate import RecipeGate, running_recipe_gate

LOG_A_RUN = """
import mlflow
mlflow.set_experiment(experiment_id="0")
with mlflow.start_run() as run:
    mlflow.log_metric("loss", 0.5)
    mlflow.log_text("weights", "model.txt")
print("logged", run.info.run_id)
"""
GATE = "https://gate.example"
METADATA = "http://metadata.google.internal"
ENTRA_PATH = f"/{ENTRA.claims['tid']}/oauth2/v2.0/token"
ENTRA_URL = f"https://login.microsoftonline.com{ENTRA_PATH}"
LIFE = 6  # seconds; programs renew their tokens before it is over
LOG_FOR_A_WHILE = f"""
import time
import mlflow
mlflow.set_experiment(experiment_id="0")
end = time.monotonic() + {LIFE + 2}
with mlflow.start_run() as run:
    step = 0
    while time.monotonic() < end:
        mlflow.log_metric("loss", 0.5, step=step)
        step += 1
        time.sleep(0.1)
print("logged", run.info.run_id)
"""


@pytest.fixture(scope="module")
def gate(
    mlflow_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RecipeGate]:
    """A gate with the issuers of all how-tos in front of a real MLflow."""
    with running_recipe_gate(tmp_path_factory.mktemp("recipes"), mlflow_server.url) as running:
        yield running


def claims(platform: Platform, life: int | None = None) -> Callable[[str], Mapping[str, Any]]:
    """The claims of a token issued now, as the platform's service gives them for an audience."""

    def made(audience: str) -> Mapping[str, Any]:
        now = time.time()
        changes = {"aud": audience} | ({"exp": int(now) + life} if life else {})
        return platform.claims_at(now, changes)

    return made


def test_a_token_of_each_platform_logs_a_run(gate: RecipeGate) -> None:
    """One client process after another identity; it reads the variable for each request."""
    program = "import os\nimport sys\n"
    for platform in PLATFORMS:
        program += f'os.environ["MLFLOW_TRACKING_TOKEN"] = os.environ["{_variable(platform)}"]\n'
        program += LOG_A_RUN
    tokens = {_variable(each): gate.token(each) for each in PLATFORMS}
    done = run_client(program, gate.gate.url, tokens)
    assert done.stdout.count("logged ") == len(PLATFORMS), done.stdout + done.stderr
    assert_sent(gate, *PLATFORMS)


def _variable(platform: Platform) -> str:
    return f"TOKEN_OF_{platform.setting.upper().replace('-', '_')}"


# --- programs that fetch and renew their tokens -------------------------------------------------


def test_a_long_run_in_github_actions(gate: RecipeGate, tmp_path: Path) -> None:
    """It outlives its first token, and not one request is refused."""
    url = github_runner(gate.issuers["github"], claims(GITHUB, LIFE))
    environment = {
        "ACTIONS_ID_TOKEN_REQUEST_URL": url,
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": GITHUB_REQUEST_TOKEN,
        "PYTHONPATH": str(recipes.refresher(tmp_path)),
    }
    program = recipes.fetching("log-in-from-github-actions")
    done = run_client(program + LOG_FOR_A_WHILE, gate.gate.url, environment)
    assert "logged " in done.stdout, done.stdout + done.stderr
    assert_sent(gate, GITHUB)
    assert gate.issuers["github"].fetched["/idtoken"] >= 2


def test_programs_fetch_their_tokens(gate: RecipeGate, tmp_path: Path) -> None:
    """AWS's with the real boto3, against what responds like STS."""
    secret, token = tmp_path / "secret", tmp_path / "pod-token"
    secret.write_text(f"{ENTRA_SECRET}\n")
    token.write_text(f"{gate.token(KUBERNETES)}\n")
    entra = entra_tokens(gate.issuers["entra"], ENTRA_PATH, claims(ENTRA))
    google = google_metadata(gate.issuers["google"], claims(GOOGLE))
    elsewhere = {
        "log-in-from-aws-roles": {},
        "log-in-from-entra-id": {ENTRA_URL: entra, "/run/secrets/entra": str(secret)},
        "log-in-from-google": {METADATA: google},
        "log-in-from-kubernetes": {"/var/run/secrets/gate/token": str(token)},
    }
    programs = [replaced(recipes.fetching(page), each) for page, each in elsewhere.items()]
    environment = {
        "AWS_ENDPOINT_URL_STS": aws_sts(gate.issuers["aws"], claims(AWS)),
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "example",
        "PYTHONPATH": str(recipes.refresher(tmp_path)),
    }
    done = run_client("\n".join(each + LOG_A_RUN for each in programs), gate.gate.url, environment)
    assert done.stdout.count("logged ") == len(programs), done.stdout + done.stderr
    assert_sent(gate, AWS, ENTRA, GOOGLE, KUBERNETES)


def assert_sent(gate: RecipeGate, *platforms: Platform) -> None:
    """Each of them is in the log; and no request was refused, in this test or another one."""
    expected = {each.principal for each in platforms}

    def logged() -> bool | None:
        return expected <= {unquote(line["principal_id"]) for line in gate.gate.outcomes()} or None

    gate.gate.process.wait_until(logged, f"requests of {expected}", LOG_SECONDS)
    assert {line["status"] for line in gate.gate.outcomes()} == {200}


def replaced(text: str, elsewhere: Mapping[str, str]) -> str:
    """The text of a page, with other places in it."""
    for real, stand_in in elsewhere.items():
        assert real in text
        text = text.replace(real, stand_in)
    return text


POD = """
import sys
from pathlib import Path
from mlflow.tracking.request_auth import kubernetes_request_auth_provider as provider
assert str(provider._SERVICE_ACCOUNT_TOKEN_PATH) == sys.argv[1], "the page is wrong"
# A test has no /var/run/secrets of its own, and no minute until the client looks again.
provider._SERVICE_ACCOUNT_TOKEN_PATH = Path(sys.argv[2])
provider._FILE_CACHE_TTL = 0.5
"""


def test_a_pod_with_the_clients_own_plugin(gate: RecipeGate, tmp_path: Path) -> None:
    """The client reads a projected token, which is replaced as the kubelet does it."""
    page = "log-in-from-kubernetes"
    _account, pod = yaml.safe_load_all(recipes.blocks(page, "yaml")[0])
    (container,) = pod["spec"]["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    assert environment.pop("MLFLOW_TRACKING_URI") == GATE
    real = f"{container['volumeMounts'][0]['mountPath']}/token"
    with kubelet(
        tmp_path, lambda: gate.token(KUBERNETES, {"exp": int(time.time()) + LIFE})
    ) as made:
        file = tmp_path / "token"
        done = run_client(POD + LOG_FOR_A_WHILE, gate.gate.url, environment, real, str(file))
    assert "logged " in done.stdout, done.stdout + done.stderr
    assert_sent(gate, KUBERNETES)
    assert len(made) >= 3


@contextmanager
def kubelet(folder: Path, token: Callable[[], str]) -> Iterator[list[str]]:
    """Write a token to ``folder/token`` each second, by a symbolic link that changes atomically."""
    made: list[str] = []
    stop = threading.Event()

    def write() -> None:
        made.append(token())
        new = folder / f"..{len(made)}"
        new.mkdir()
        (new / "token").write_text(made[-1])
        (folder / "..tmp").symlink_to(new.name)
        (folder / "..tmp").replace(folder / "..data")

    def work() -> None:
        while not stop.wait(1.0):
            write()

    write()
    (folder / "token").symlink_to("..data/token")
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield made
    finally:
        stop.set()
        thread.join()


# --- the command that examines tokens ----------------------------------------------------------


def test_the_example_of_a_token_that_is_checked(gate: RecipeGate) -> None:
    stranger = gate.token(GITHUB, GITHUB.strangers["a branch that is not main"])
    done = examined(gate, stranger)
    shown = recipes.blocks(recipes.COMMON, "console")[0].partition("\n")[2]
    published = f"from {gate.issuers['github'].url}/"
    assert _timeless(done.stdout.replace(published, f"from {GITHUB.issuer}/")) == _timeless(shown)
    assert (done.returncode, done.stderr) == (1, "")
    assert not any(part in done.stdout for part in stranger.split("."))


def test_a_good_token_is_checked(gate: RecipeGate) -> None:
    done = examined(gate, gate.token(KUBERNETES))
    assert done.stdout.splitlines()[-1] == "accepted"
    assert done.returncode == 0


def examined(gate: RecipeGate, token: str) -> subprocess.CompletedProcess[str]:
    """What ``headgate tokens check`` says, with the gate's configuration."""
    file = gate.gate.data.parent / "headgate.toml"
    return subprocess.run(
        [sys.executable, "-m", "headgate", "tokens", "check", "--config", str(file)],
        input=f"{token}\n",
        env=clean_environment() | {"MLFLOW_SERVER_URL": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _timeless(output: str) -> str:
    return re.sub(r"ends at .*", "ends", output)


# --- workflows and shells ----------------------------------------------------------------------


TRAIN = """
import os, urllib.request
request = urllib.request.Request(
    os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/experiments/search?max_results=1",
    headers={"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]},
)
print("trained", urllib.request.urlopen(request).status)
"""


def run_script(
    gate: RecipeGate, script: str, folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run shell commands as CI runners do, beside a ``train.py`` that sends a request."""
    require(CURL)
    if shutil.which("jq") is None:
        pytest.skip("needs jq")
    (folder / "train.py").write_text(TRAIN, encoding="utf-8")
    (folder / "python").symlink_to(sys.executable)
    settings = {"PATH": f"{folder}:{os.environ['PATH']}", "MLFLOW_TRACKING_URI": gate.gate.url}
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=folder,
        env=clean_environment() | settings | dict(environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_workflow_of_github_actions(gate: RecipeGate, tmp_path: Path) -> None:
    (workflow,) = map(yaml.safe_load, recipes.blocks("log-in-from-github-actions", "yaml"))
    job = workflow["jobs"]["train"]
    assert workflow["permissions"]["id-token"] == "write"
    assert job["env"] == {"MLFLOW_TRACKING_URI": GATE}
    environment = {
        "ACTIONS_ID_TOKEN_REQUEST_URL": github_runner(gate.issuers["github"], claims(GITHUB)),
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": GITHUB_REQUEST_TOKEN,
    }
    done = run_script(gate, job["steps"][-1]["run"], tmp_path, environment)
    assert done.stdout.endswith("trained 200\n"), done.stdout + done.stderr
    assert done.stdout.startswith("::add-mask::ey")


def test_the_job_of_gitlab_ci(gate: RecipeGate, tmp_path: Path) -> None:
    """GitLab writes the token into the variable that the job names."""
    (pipeline,) = map(yaml.safe_load, recipes.blocks("log-in-from-gitlab-ci", "yaml"))
    job = pipeline["train"]
    ((variable, wanted),) = job["id_tokens"].items()
    token = gate.token(GITLAB, {"aud": wanted["aud"]})
    script = "\n".join(line for line in job["script"] if not line.startswith("pip "))
    done = run_script(gate, script, tmp_path, {variable: token})
    assert done.stdout == "trained 200\n", done.stdout + done.stderr


def test_the_shell_of_entra_id(gate: RecipeGate, tmp_path: Path) -> None:
    (script,) = recipes.blocks("log-in-from-entra-id", "sh")
    secret = tmp_path / "secret"
    secret.write_text(ENTRA_SECRET)
    stand_in = entra_tokens(gate.issuers["entra"], ENTRA_PATH, claims(ENTRA))
    elsewhere = {ENTRA_URL: stand_in, "/run/secrets/entra": str(secret), GATE: gate.gate.url}
    done = run_script(gate, replaced(script, elsewhere), tmp_path, {})
    assert done.stdout == "trained 200\n", done.stdout + done.stderr


def test_the_shell_of_google(gate: RecipeGate, tmp_path: Path) -> None:
    (script,) = (each for each in recipes.blocks("log-in-from-google", "sh") if "curl" in each)
    stand_in = google_metadata(gate.issuers["google"], claims(GOOGLE))
    elsewhere = {METADATA: stand_in, f"URI={GATE}": f"URI={gate.gate.url}"}
    done = run_script(gate, replaced(script, elsewhere), tmp_path, {})
    assert done.stdout == "trained 200\n", done.stdout + done.stderr


def test_the_commands_of_awss_cli_exist() -> None:
    """Its commands and options are made of the descriptions that botocore brings along."""
    loader = botocore.session.get_session().get_component("data_loader")
    commands = {
        f"{service} {xform_name(name, '-')}": {
            f"--{xform_name(member, '-')}"
            for member in model["shapes"]
            .get(operation.get("input", {}).get("shape"), {})
            .get("members", {})
        }
        for service in ("iam", "sts")
        for model in [loader.load_service_model(service, "service-2")]
        for name, operation in model["operations"].items()
    }
    shown = "\n".join(recipes.blocks("log-in-from-aws-roles", "sh")).replace("\\\n", "")
    called = re.findall(r"aws ((?:iam|sts) [a-z-]+)([^\n]*)", shown)
    assert len(called) == 3
    for command, rest in called:
        options = set(re.findall(r"--[a-z-]+", rest)) - {"--query", "--output"}
        assert options <= commands[command], command
