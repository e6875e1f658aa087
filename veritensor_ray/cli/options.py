"""Options that several commands share, each defined once, and checks of their values; this module does not depend on any command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from veritensor_ray.cli import completion

PLAIN = ("table", "json", "jsonl", "csv")  # formats for rows of any kind
TABULAR = (*PLAIN, "parquet")  # and those that need a file


def _each(given: list[str] | None) -> list[str] | None:
    """Accepts `a,b` as well as one flag for each."""
    return [word.strip() for text in given for word in text.split(",") if word.strip()] if given else None


Sources = Annotated[
    list[str] | None, typer.Argument(help="Folders, files, globs or URIs (s3://, gs://, abfs://, https://).", show_default=False)
]
NewOutput = Annotated[
    str | None,
    typer.Option(
        help="Folder or URI for the results. Repeating a command with the same output resumes it. Default: audit-NAME or sweep-NAME in the working directory."
    ),
]
Output = Annotated[str, typer.Argument(help="An audit's output, or a sweep's state.")]
EarlierOutput = Annotated[str | None, typer.Option("--output", hidden=True, help="The results, as in earlier versions.")]
Sweep = Annotated[
    str | None, typer.Option(help="For a sweep's output: use this sweep instead of the last one. `veritensor-ray sweeps` lists them.")
]
Where = Annotated[
    str | None,
    typer.Option(
        help="Only findings that meet this SQL condition over their columns, with `rule`, `line`, `row`, `part` and `view` as short names: "
        "\"rule = 'pii.email' and artifact glob 'hr/*'\". Lines count from 1; rows from 0, without a table's header.",
        show_default=False,
    ),
]
Engines = Annotated[
    list[str] | None,
    typer.Option(
        callback=_each,
        autocompletion=completion.engines,
        help="Engines to run. Comma-separated; may be repeated. Default: all of them; see `veritensor-ray engines`.",
        show_default=False,
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        autocompletion=completion.one_of("embedded", "standard"),
        help="embedded (models inside the package) or standard (models from the Hugging Face Hub, in HF_HOME).",
    ),
]
RuleDirs = Annotated[list[str] | None, typer.Option("--rules", help="Folder with your own YARA rules. May be repeated.")]
Iocs = Annotated[
    list[str] | None,
    typer.Option("--iocs", help="File with indicators, one per line: SHA-256 digests, domains, IP addresses, URLs. May be repeated."),
]
Include = Annotated[list[str] | None, typer.Option(help="Read only artifacts that match this glob. May be repeated.")]
Exclude = Annotated[list[str] | None, typer.Option(help="Leave out artifacts that match this glob. May be repeated.")]
MaxSize = Annotated[str | None, typer.Option(help="Skip artifacts larger than this, such as 2GB.")]
Policy = Annotated[
    str | None,
    typer.Option(help="File with severities and suppressions. Default: the policy.yaml that is kept in the output, if there is one."),
]
NoPolicy = Annotated[bool | None, typer.Option("--no-policy", help="Use no policy, not even one that is configured or kept in the output.")]
Since = Annotated[str | None, typer.Option(help="Read only artifacts changed since an ISO date, or within an age such as 7d.")]
Inventory = Annotated[
    list[str] | None,
    typer.Option(
        help="manifest.json of an S3 inventory, which takes the place of listing its bucket. Repeat the flag for several buckets."
    ),
]
AsOf = Annotated[
    str | None,
    typer.Option(
        help="Read tables such as Delta in this version, or tables and buckets with versions as they were at a time. Default: the latest version."
    ),
]
Sample = Annotated[
    str | None, typer.Option(help="Read only this many artifacts, or a share such as 1%. The same ones are chosen every time.")
]
Address = Annotated[
    str | None,
    typer.Option(
        help="http://HEAD:8265 submits the run to a cluster; HOST:6379 joins a cluster; auto joins the one that this machine belongs to; embedded starts a Ray on this machine; local takes processes without Ray. Default: local for small runs, embedded for others."
    ),
]
Wait = Annotated[bool | None, typer.Option("--wait", help="With an http:// address: follow the run and exit with its exit code.")]
Deadline = Annotated[
    str | None,
    typer.Option(help="HH:MM, an ISO time, or a span such as 90m. No shard begins after it; the run exits with 3 and can be resumed."),
]
SettingsJson = Annotated[str | None, typer.Option("--settings", hidden=True, help="Configuration as JSON, from a client.")]
AllowMissing = Annotated[
    bool | None,
    typer.Option(
        "--allow-missing-engines",
        help="Run even if the model of an engine is missing. The engine is left out, and every artifact counts as partial.",
    ),
]
Verbose = Annotated[bool | None, typer.Option("--verbose", "-v", help="Print more lines, including the workers' logs.")]
LogFormat = Annotated[str | None, typer.Option(autocompletion=completion.one_of("text", "json"), help="text or json. Default: text.")]
Config = Annotated[str | None, typer.Option(help="YAML file. Default: veritensor-ray.yaml in the working directory, if it exists.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Format = Annotated[
    str, typer.Option(autocompletion=completion.one_of(*PLAIN), help=f"Output format: {', '.join(PLAIN[:-1])} or {PLAIN[-1]}.")
]


def check_word(name: str | None, known: Sequence[str], what: str) -> None:
    """Raises UsageError for a word that is not among the known ones; None is always accepted."""
    from veritensor_ray.core.errors import UsageError

    if name is not None and name not in known:
        raise UsageError(f"unknown {what} {name!r}; choose from {', '.join(known)}")


def check_severity(name: str | None) -> None:
    """Raises UsageError for an unknown severity."""
    from veritensor_ray.core.config import SEVERITIES

    check_word(name, SEVERITIES, "severity")


def results_and_finding(first: str | None, second: str | None, earlier: str | None) -> tuple[str | None, str | None]:
    """Returns what `COMMAND OUTPUT FINDING` names, or `COMMAND FINDING --output OUTPUT`, the form of earlier versions."""
    from veritensor_ray.core.errors import UsageError

    if earlier is None:
        return first, second
    if second is not None:
        raise UsageError(f"the results are named twice, as {first} and with --output; leave out --output")
    return earlier, first


def names(given: Sequence[str] | None, known: Sequence[str], what: str) -> tuple[str, ...]:
    """Returns the words of comma-separated lists, each once. Raises UsageError for an unknown word, listing the known ones."""
    from veritensor_ray.core.errors import UsageError

    text = ",".join(given or ())
    found = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    unknown = [word for word in found if word not in known]
    if unknown or (given and not found):
        raise UsageError(f"unknown {what} {unknown[0] if unknown else text!r}; choose from {', '.join(known)}")
    return found
