"""The command line: it reads flags, calls jobs and api, and prints the results. Heavy imports happen inside the commands."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import traceback
from typing import Annotated, NoReturn

import typer

from veritensor_ray.cli.deciding import baseline_command, label_command, suppress_command
from veritensor_ray.cli.reading import (
    context_command,
    diff_command,
    findings_command,
    report_command,
    sweeps_command,
    verify_command,
    view_command,
)
from veritensor_ray.cli.scanning import clean_command, explain_command, inspect_command, jobs_command, plan_command, submit_command
from veritensor_ray.cli.setup import advisories_command, bundle_command, config_command, info_command, keys_command, models_command
from veritensor_ray.cli.signals import UNREAD, ending, sigterm_as_interrupt
from veritensor_ray.core.errors import VeritensorError, not_installed
from veritensor_ray.core.safe_imports import Guard

app = typer.Typer(
    name="veritensor-ray",
    help="Audit AI corpora on air-gapped sites. Every byte is accounted for, and nothing leaves the site.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:
    if asked:
        import veritensor_ray

        typer.echo(f"veritensor-ray {veritensor_ray.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    """Takes the options that come before a command."""


app.command("submit")(submit_command.submit)
app.add_typer(clean_command.app, name="clean")
app.command("inspect")(inspect_command.inspect)
app.command("explain-model")(explain_command.explain_model)
app.command("plan")(plan_command.plan)
app.command("findings")(findings_command.findings)
app.command("context")(context_command.context)
app.command("report")(report_command.report)
app.command("view")(view_command.view)
app.command("diff")(diff_command.diff)
app.command("sweeps")(sweeps_command.sweeps)
app.command("purge")(sweeps_command.purge)
app.command("suppress")(suppress_command.suppress)
app.command("label")(label_command.label)
app.command("precision")(label_command.precision)
app.command("verify")(verify_command.verify)
app.command("engines")(info_command.engines)
app.command("rules")(info_command.rules)
app.command("doctor")(info_command.doctor)
app.command("jobs")(jobs_command.jobs)
app.command("status")(jobs_command.status)
app.command("logs")(jobs_command.logs)
app.command("stop")(jobs_command.stop)
app.add_typer(config_command.app, name="config")
app.add_typer(models_command.app, name="models")
app.add_typer(advisories_command.app, name="advisories")
app.add_typer(baseline_command.app, name="baseline")
app.add_typer(bundle_command.app, name="bundle")
app.add_typer(keys_command.app, name="keys")


def main() -> None:
    """Run a command. Errors that the user can fix become one message and an exit code."""
    atexit.register(gc.freeze)  # a process that ends needs no search for cycles in all that it holds, which takes a quarter of a second
    with Guard(), sigterm_as_interrupt():
        _run()


def _run() -> None:
    try:
        code = app(standalone_mode=False, prog_name="veritensor-ray") or 0  # the exit code that typer.Exit carried is returned as a number
        sys.stdout.flush()
        sys.exit(code)
    except BrokenPipeError:
        _unread()
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # click and rich exit with 1 for it, which would mean findings
            _unread()
        raise
    except VeritensorError as error:
        _fail(str(error), error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        _fail(*ending())
    except MemoryError as error:
        _fail(f"the run needs more memory than is available ({error}); genuine results are small, so check where these come from", 4)
    except Exception as error:  # noqa: BLE001  # 1 would mean findings
        if sentence := not_installed(error):
            _fail(sentence, 4)
        usage = getattr(error, "format_message", None)  # recognizes click's usage errors without importing click
        if usage is not None:
            _usage(usage())
        _fail(f"{traceback.format_exc()}this is a bug, or a store gave an unexpected answer; the lines above show where", 4)


def _unread() -> NoReturn:
    """End quietly because the reader of the output is gone, as in `findings OUT | head -1`.

    The exit code is that of a program that SIGPIPE ended. SIGPIPE itself stays ignored, because a connection that is closed must not end
    a command, and 0 would mean that nothing was found.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python complains when it flushes the rest
    sys.exit(UNREAD)


def _usage(message: str) -> NoReturn:
    if message.startswith("Usage:"):  # the help of a group without a command
        sys.stderr.write(f"{message}\n")
        sys.exit(2)
    _fail(message, 2)


def _fail(message: str, code: int) -> NoReturn:
    from veritensor_ray.masking.redaction import visible
    from veritensor_ray.masking.secret_kinds.uri_credentials import without_credentials

    lines = "\n".join(visible(line) for line in without_credentials(message).splitlines())
    sys.stderr.write(f"veritensor-ray: {lines}\n")
    sys.exit(code)
