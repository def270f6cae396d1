"""The commands of the page about upgrades, with ``headgate up`` and two real versions of MLflow."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from headgate.cli.page_outputs import matches
from tests.support.mlflow_versions import CURRENT, python_with
from tests.support.processes import ServerProcess, clean_environment
