"""The command line: thin commands, one line for each problem, exit code 2.

A command's module is imported when the command runs, so that ``headgate --help`` and a
mistyped option respond immediately.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from headgate import __version__, is_compiled
from headgate.cli.command import JSON, Command
from headgate.cli.output import UNWRITABLE, document, drop_output, tell
from headgate.cli.streams import reserve_closed
from headgate.errors import ConfigError, HeadgateError
from headgate.symptoms import in_words

EXIT_USAGE = 2
EXIT_BROKEN_PIPE = 1  # as typer has it

COMMANDS = {
    "up": "Run MLflow with the gate in front of it, on this machine alone.",
    "serve": "Run the gate in front of an existing MLflow server.",
    "check": "List all problems of the configuration, or summarise it.",
    "health": "Ask whether the gate on this machine works, for health checks.",
    "keys": "Create, list, change and revoke API keys.",
    "principals": "Create, list, change and disable people and service accounts.",
    "db": "Upgrade the key store's schema, and check that the store can be used.",
    "park": "Let the requests for an upstream wait at all gates, for a while.",
    "unpark": "Let the requests that wait go on.",
    "read-only": "Let an upstream be read-only for a while, such as for a backup.",
    "gates": "List the gates that share a key store, and remove one that is gone.",
    "log-level": "Show and set how much each part of a running gate logs.",
    "tokens": "Say step by step why the gate accepts or refuses a token (JWT).",
    "explain": "Show how the gate would decide on a request.",
    "routes": "List all MLflow routes that the gate knows; it refuses all others.",
    "doctor": "Diagnose the connection to MLflow; list vulnerabilities of its version.",
    "ecs": "Deploy the gate on AWS ECS, look at the service and roll it back.",
    "mlflow": "Upgrade the MLflow behind a gate while its clients wait, and go back.",
    "verify": "Register a model through a running gate, step by step, and remove it again.",
}
"""Each command with its line in the help; the module of that name, with ``_`` for ``-``, has its
code."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code; ``arguments`` default to those of the process."""
    reserve_closed()
    try:
        code = _run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader has exited, for example `| head`
        drop_output()
        return EXIT_BROKEN_PIPE
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        drop_output()
        tell(f"headgate: cannot write the output: {in_words(error)}")
        return EXIT_USAGE
    return code


def _run(arguments: Sequence[str] | None) -> int:
    as_json = JSON in (sys.argv[1:] if arguments is None else arguments)
    try:
        result = root_command().main(args=arguments, prog_name="headgate", standalone_mode=False)
    except ConfigError as error:
        return _fail([str(problem) for problem in error.problems], as_json)
    except HeadgateError as error:
        return _fail([str(error)], as_json)
    except typer.TyperException as error:  # unknown option or command, missing argument
        return _fail([_usage_problem(error)], as_json)
    except typer.Abort:  # the user aborted a prompt
        return _fail(["aborted"], as_json)
    return result if isinstance(result, int) else 0


def _usage_problem(error: typer.TyperException) -> str:
    message = " ".join(error.format_message().split()).removesuffix(".")
    context = getattr(error, "ctx", None)  # only usage errors have a context
    if context is None:
        return message
    help_ = f"{context.command_path} --help"
    return f"{message} See: {help_}" if message.endswith("?") else f"{message}; see: {help_}"


def _fail(problems: Sequence[str], as_json: bool) -> int:
    for problem in problems:
        tell(f"headgate: {problem}")
    if as_json:
        print(document({}, ok=False, errors=problems))
    return EXIT_USAGE


class _Commands(TyperGroup):
    """The commands of ``COMMANDS``, each imported when it runs."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands.update({name: TyperCommand(name, help=COMMANDS[name]) for name in COMMANDS})

    def get_command(self, _context: Any, name: str) -> Any:
        """The command itself, instead of the placeholder for the help."""
        return _load(name) if name in COMMANDS else None

    def format_commands(self, _context: Any, formatter: Any) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def root_command() -> Any:
    """The command `headgate`, with all others below it."""
    app = _typer(
        add_completion=True, cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]}
    )
    app.callback(invoke_without_command=True)(_root)
    return typer.main.get_command(app)


def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)
    ] = False,
) -> None:
    """An authenticating reverse proxy for self-hosted MLflow."""
    if version:
        from headgate.cli.build_commit import build_commit  # noqa: PLC0415 - only here

        commit = build_commit()
        of = f", commit {commit}" if commit else ""
        print(f"headgate {__version__}{of}{' (compiled)' if is_compiled() else ''}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


def _load(name: str) -> Any:
    """The command of the module ``name``: its ``app`` of subcommands, or its function."""
    module = importlib.import_module(f"headgate.cli.{name.replace('-', '_')}")
    holder = _typer()
    holder.callback()(lambda: None)
    if hasattr(module, "app"):
        holder.add_typer(module.app, name=name)
    else:
        holder.command(name, cls=Command)(getattr(module, name))
    return typer.main.get_group(holder).commands[name]


def _typer(**settings: Any) -> typer.Typer:
    defaults = {"add_completion": False, "rich_markup_mode": None}
    return typer.Typer(pretty_exceptions_enable=False, **(defaults | settings))
