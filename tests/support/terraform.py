"""Terraform, run on a copy of the modules, with a provider that lies on this machine.

Nothing is fetched, and nothing is written into the repository: neither a lock file nor a
``.terraform``.  Without Terraform, or without a folder with the provider, what needs it is skipped,
with the reason.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.patience import patience
from tools.terraform.module import ROOT, read

DEPLOY: Final = ROOT / "deploy"
LAYOUT: Final = "registry.terraform.io/hashicorp/aws"
PLATFORM: Final = "linux_amd64"
SECONDS: Final = 200.0
_ENDPOINTS: Final = (
    *("applicationautoscaling", "cloudwatch", "ec2", "ecs", "elbv2", "events", "iam", "kms"),
    *("logs", "rds", "resourcegroupstaggingapi", "route53", "s3", "secretsmanager"),
    *("servicediscovery", "sns", "ssm", "sts", "acm"),
)
"""Services that moto is asked for, by the names that the provider has for them."""

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Provider:
    """A folder tree with the AWS provider, as ``terraform init -plugin-dir`` takes it."""

    root: Path
    version: Version

    def fits(self, constraint: str) -> bool:
        """Whether it meets a constraint such as ``>= 5.80, < 7.0``."""
        return all(_meets(self.version, each.strip()) for each in constraint.split(","))


def program() -> str:
    """The path of Terraform; skips the test if it is not installed."""
    found = shutil.which("terraform")
    if found is None:
        pytest.skip("terraform is not installed: formatting, validation and tests are not checked")
    return found


def provider(constraint: str) -> Provider:
    """The newest provider on this machine that fits; skips the test if there is none."""
    fitting = [each for each in _providers() if each.fits(constraint)]
    if not fitting:
        reason = f"no folder {LAYOUT} with a version {constraint} is on this machine"
        pytest.skip(f"{reason}: not validated by Terraform")
    return max(fitting, key=lambda each: each.version)


def _providers() -> Iterator[Provider]:
    """Those in the places where people keep a mirror or a cache of providers."""
    cache = os.environ.get("TF_PLUGIN_CACHE_DIR")
    home = Path.home() / ".terraform.d"
    shared = (Path("/usr/share/terraform"), Path("/usr/local/share/terraform"))
    roots = [
        *([Path(cache)] if cache else []),
        *(folder / name for folder in (home, *shared) for name in ("plugins", "plugin-cache")),
        *(found for folder in ("/opt", "/srv") for found in sorted(Path(folder).glob("*"))),
    ]
    for root in roots:
        for folder in (root / LAYOUT).glob(f"*/{PLATFORM}"):
            if re.fullmatch(r"\d+\.\d+\.\d+", folder.parent.name):
                yield Provider(root, _version(folder.parent.name))


def _version(text: str) -> Version:
    return tuple(int(part) for part in text.split("."))


def _meets(version: Version, constraint: str) -> bool:
    operator, _, number = constraint.partition(" ")
    wanted = _version(number)
    return version >= wanted if operator == ">=" else version < wanted


class TerraformError(AssertionError):
    """Terraform ended with an error; the message has what it printed."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """A copy of ``deploy``, and Terraform in it."""

    folder: Path
    terraform: str

    @classmethod
    def copy(cls, folder: Path) -> Workspace:
        """Copy what the modules consist of; skips the test without Terraform."""
        terraform = program()
        skip = shutil.ignore_patterns(".terraform*", "*.tfstate*")
        for name in ("terraform", "observability"):
            shutil.copytree(DEPLOY / name, folder / "deploy" / name, ignore=skip)
        (folder / "terraform.rc").write_text("disable_checkpoint = true\n", encoding="utf-8")
        return cls(folder, terraform)

    def at(self, name: str) -> Path:
        """The copy of a module or example, such as ``modules/mlflow``."""
        return self.folder / "deploy" / "terraform" / name

    def run(
        self, name: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run Terraform in a module's folder; what it did, whatever its exit code."""
        own = {
            "TF_CLI_CONFIG_FILE": str(self.folder / "terraform.rc"),
            "TF_DATA_DIR": str(self.folder / "data" / name.replace("/", "-")),
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ}
        return subprocess.run(
            [self.terraform, *arguments],
            cwd=self.at(name),
            env={**kept, **own, **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=patience(SECONDS),
        )

    def output(
        self, name: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> str:
        """What Terraform prints.

        Raises:
            TerraformError: its exit code is not 0.
        """
        done = self.run(name, *arguments, environment=environment)
        if done.returncode:
            message = f"terraform {' '.join(arguments)} in {name}:\n{done.stdout}{done.stderr}"
            raise TerraformError(message)
        return done.stdout

    def initialise(self, name: str) -> Provider:
        """Make a module ready; skips the test if no provider fits all that it consists of."""
        found = provider(", ".join(sorted(set(self._constraints(self.at(name))))))
        self.output(name, "init", "-backend=false", f"-plugin-dir={found.root}", "-no-color")
        return found

    def _constraints(self, folder: Path) -> Iterator[str]:
        module = read(folder)
        yield module.requirements()["aws"]
        for call in module.of_kind("module"):
            source = call.body.arguments.get("source")
            if source is not None:  # an override file has only what it changes
                yield from self._constraints((folder / source).resolve())

    def diagnostics(self, name: str) -> list[str]:
        """Errors and warnings of ``terraform validate``, without those about old state."""
        found = json.loads(self.run(name, "validate", "-json").stdout)
        return [
            f"{each['severity']}: {each['summary']}: {each.get('detail', '')}"
            for each in found["diagnostics"]
        ]


def moto_settings(url: str) -> str:
    """A ``provider`` block's content for moto at ``url``."""
    endpoints = "\n".join(f'    {each} = "{url}"' for each in _ENDPOINTS)
    return f"""provider "aws" {{
  region                      = "eu-central-1"
  access_key                  = "example"
  secret_key                  = "example"
  max_retries                 = 2
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  s3_use_path_style           = true
  endpoints {{
{endpoints}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Change:
    """What a plan would do to a resource."""

    address: str
    actions: tuple[str, ...]
    arguments: frozenset[str]
    """Names of the arguments that differ."""


def changes(plan: Mapping[str, Any]) -> list[Change]:
    """All that a plan would do, as ``terraform show -json`` prints it."""
    return [
        Change(each["address"], tuple(each["change"]["actions"]), frozenset(_differing(each)))
        for each in plan.get("resource_changes", ())
        if each["change"]["actions"] not in (["no-op"], ["read"])
    ]


def _differing(resource: Mapping[str, Any]) -> Iterator[str]:
    change = resource["change"]
    before, after = change["before"] or {}, change["after"] or {}
    unknown = change.get("after_unknown") or {}
    for name in {*before, *after}:
        if unknown.get(name) is True or before.get(name) != after.get(name):
            yield name


def resources(state: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    """All resources of a type in a state, as ``terraform show -json`` prints it."""

    def within(module: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        yield from (each for each in module.get("resources", ()) if each["type"] == kind)
        for child in module.get("child_modules", ()):
            yield from within(child)

    return sorted(within(state["values"]["root_module"]), key=lambda each: str(each["address"]))


def without_blocks(text: str, names: Sequence[str]) -> str:
    """A file without the lines between the marks ``# NAME begins`` and ``# NAME ends``."""
    for name in names:
        mark = re.escape(name)
        text = re.sub(rf"(?ms)^ *# {mark} begins.*?^ *# {mark} ends[^\n]*\n", "", text)
    return text
