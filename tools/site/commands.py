"""The reference of the command line, from the Typer app."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer.main

from tools.site.markdown import GENERATED, code, table, text
from veritensor_ray.cli import app
from veritensor_ray.core.errors import CannotRunError, DeadlineReached, UsageError

NAME = "veritensor-ray"
EXIT_CODES = {
    0: "The command did its work. For `submit` and `inspect`: the run is complete, and no finding reaches `--fail-on`.",
    1: "`submit --fail-on`, `inspect --fail-on`: a finding of this severity or worse. `diff --exit-code`: a new finding.",
    UsageError.exit_code: "The command or the configuration is wrong.",
    DeadlineReached.exit_code: "`submit`, `inspect`: the run is not complete, or there was nothing to scan. `--allow-partial` turns this into 0.",
    CannotRunError.exit_code: "The command could not run, or a check failed (`doctor`, `verify`, `models verify`).",
    130: "Interrupted.",
}
_TYPES = {"str": "text", "int": "number", "float": "number", "bool": ""}


def commands() -> list[tuple[str, Any]]:
    """Every command that does something, by its full name, in the order of the help."""
    return list(_commands(typer.main.get_command(app), NAME))


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
    for word, one in (inner or {}).items():
        if not one.hidden:
            yield from _commands(one, f"{name} {word}")


def commands_page() -> str:
    """The page with every command, its arguments and its options."""
    codes = table(("code", "meaning"), [(str(number), meaning) for number, meaning in sorted(EXIT_CODES.items())])
    every = "\n".join(_section(name, command) for name, command in commands())
    return f"""# Command line

{GENERATED} `veritensor-ray COMMAND --help` prints the same.

If no default is shown, the option takes its value from the [configuration](../configuration.md), or is not set if it has no key there.

## Exit codes

{codes}
{every}"""


def _section(name: str, command: Any) -> str:
    parameters = [one for one in command.params if not getattr(one, "hidden", False)]
    arguments = [one for one in parameters if not one.opts[0].startswith("-")]
    options = [one for one in parameters if one.opts[0].startswith("-")]
    usage = " ".join((name, *map(_metavar, arguments), *(["[OPTIONS]"] if options else [])))
    parts = [f"## {code(name)}", f"```text\n{usage}\n```", text(command.help or "")]
    if arguments:
        parts.append(table(("argument", "meaning"), [(code(_metavar(one)), text(one.help or "")) for one in arguments]))
    if options:
        parts.append(table(("option", "value", "default", "meaning"), map(_option, options)))
    return "\n\n".join(parts) + "\n"


def _metavar(argument: Any) -> str:
    shown = (argument.metavar or argument.name.upper()) + ("…" if argument.nargs == -1 else "")
    return shown if argument.required else f"[{shown}]"


def _option(option: Any) -> tuple[str, str, str, str]:
    flags = ", ".join(map(code, (*option.opts, *option.secondary_opts)))
    kind = "" if option.is_flag else _TYPES.get(_type_name(option), "text")
    value = f"{kind}, repeatable" if kind and option.multiple else kind
    return flags, value, _default(option), text(option.help or "")


def _type_name(option: Any) -> str:
    return str(getattr(option.type_descriptor.annotation, "__name__", ""))


def _default(option: Any) -> str:
    if option.required:
        return "required"
    if option.default is None or option.default is False or option.default == []:
        return ""
    if option.default is True:
        return code(option.opts[0])
    return code(option.default)
