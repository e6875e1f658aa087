"""`clean`: writes a copy of a corpus without its findings; `clean verify`: checks such a copy."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from veritensor_ray.cli import completion
from veritensor_ray.cli.options import (
    Address,
    AllowMissing,
    AsJson,
    Config,
    Deadline,
    Engines,
    Exclude,
    Include,
    Iocs,
    LogFormat,
    MaxSize,
    NoPolicy,
    Profile,
    RuleDirs,
    Sample,
    SettingsJson,
    Since,
    Sources,
    Verbose,
    Wait,
)
from veritensor_ray.cli.reading.verify_command import Trusted
from veritensor_ray.cli.scanning.preview_page import check_page, masked, write_page
from veritensor_ray.cli.scanning.running import files_found, hand_over, reporter_for, start_early
from veritensor_ray.cli.signals import ending
from veritensor_ray.core.wording import counted

if TYPE_CHECKING:
    from veritensor_ray.cleaning.copy_statement import VerifiedCopy
    from veritensor_ray.cleaning.not_copied import NotCopied

_ITSELF, _VERIFY = "corpus", "verify"
_NOT_SETTINGS = ("source", "to", "cleaning_policy", "level", "dry_run", "html", "reveal", "reason", "config", "wait", "settings_json")
_CODES = {"clean": 0, "findings-left": 1, "incomplete": 3, "empty": 3, "dry-run": 0}
_WHOLE_FILES = ("quarantine", "drop-file")
_SHOWN, _SAMPLES = 10, 20  # kinds of changes, and changes
_ALL_NAMED = "manifest.parquet names all of them"


class _ItselfOrVerify(TyperGroup):
    """Runs `verify` if that is the first word, and otherwise `clean` itself, whatever its corpus is called."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        completing = ctx.resilient_parsing and not args
        return super().parse_args(ctx, args if completing or args[:1] == [_VERIFY] else [_ITSELF, *args])

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        itself = self.commands[_ITSELF]
        options = itself.shell_complete(itself.make_context(None, [], ctx, resilient_parsing=True), incomplete)
        return [*super().shell_complete(ctx, incomplete), *options]


class _Itself(TyperCommand):
    """The command without a name of its own: its help says `veritensor-ray clean`."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return super().make_context("", args, parent, **extra)

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        formatter.write_usage(ctx.command_path.strip(), " ".join(self.collect_usage_pieces(ctx)))


app = typer.Typer(cls=_ItselfOrVerify, help="Write a copy of a corpus without its findings, and audit the copy.")


@app.command(_ITSELF, cls=_Itself, hidden=True)
def corpus(
    source: Sources = None,
    to: Annotated[
        str | None, typer.Option(help="Empty folder or URI for the copy. Repeating a command with the same folder resumes it.")
    ] = None,
    cleaning_policy: Annotated[
        str | None,
        typer.Option(help="File that says what becomes of each finding, such as clean.yaml. Default: the policy in docs/clean.md."),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            help="File with severities and suppressions, for the audit of the corpus. Suppressed findings are cleaned all the same."
        ),
    ] = None,
    no_policy: NoPolicy = None,
    level: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.severity,
            help="Lowest severity that is removed, such as low, instead of the cleaning policy's. Default: medium.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing; print the same counts and some changes with the values masked.")
    ] = False,
    html: Annotated[
        str | None, typer.Option(help="With --dry-run: also write this HTML page, with texts before and after for each kind of change.")
    ] = None,
    reveal: Annotated[
        bool,
        typer.Option(
            "--reveal", help="With --html: the page shows the values. Who did so, and why, is recorded in access.jsonl beside it."
        ),
    ] = False,
    reason: Annotated[str | None, typer.Option(help="Why the values have to be seen. `--reveal` requires it.")] = None,
    job: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.one_of("audit", "sweep"),
            help="audit, or sweep to clean only what changed since the last sweep and to remove what left the corpus. Default: audit.",
        ),
    ] = None,
    engines: Engines = None,
    profile: Profile = None,
    rules: RuleDirs = None,
    iocs: Iocs = None,
    include: Include = None,
    exclude: Exclude = None,
    max_size: MaxSize = None,
    since: Since = None,
    sample: Sample = None,
    config: Config = None,
    address: Address = None,
    wait: Wait = None,
    settings_json: SettingsJson = None,
    deadline: Deadline = None,
    sign_key: Annotated[str | None, typer.Option(help="Private key that signs the copy and both audits: env:NAME or file:/path.")] = None,
    fresh: Annotated[bool | None, typer.Option("--fresh", help="Replace the copy and clean everything again.")] = None,
    allow_partial: Annotated[
        bool | None, typer.Option("--allow-partial", help="Exit with 0 even if not everything could be read, or the copy is empty.")
    ] = None,
    allow_missing_engines: AllowMissing = None,
    verbose: Verbose = None,
    log_format: LogFormat = None,
) -> None:
    """Write a copy of a corpus without its findings, and audit the copy.

    The copy is FOLDER/corpus; FOLDER/quarantine holds the files that were set aside, FOLDER/manifest.parquet says what became of every
    artifact, and FOLDER/before and FOLDER/after are the two audits. `veritensor-ray clean verify FOLDER` checks a copy later.

    Exit codes: 0 the copy has no finding at or above the level; 1 it has; 2 usage or configuration error; 3 not everything in the copy could
    be checked, or no file is left in it; 4 could not run.
    """
    flags = {name: value for name, value in locals().items() if name not in _NOT_SETTINGS}
    flags |= {"sources": source or None, "output": to, "cluster": None if wait is None else {"wait": wait}}
    if settings_json:
        flags = json.loads(settings_json) | {name: value for name, value in flags.items() if value}
    from veritensor_ray.cleaning.not_copied import NotCopied, not_copied
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.jobs.cleaning_run import clean
    from veritensor_ray.jobs.copy_destination import check_clean
    from veritensor_ray.stores.filesystems import absolute
    from veritensor_ray.stores.outputs import OutputStore

    settings = load_settings(config, flags)
    check_clean(settings, dry_run)
    _check_kind(policy)
    check_page(html, dry_run, reveal, reason, settings)
    if (settings.address or "").startswith(("http://", "https://")):
        raise typer.Exit(hand_over(settings, "clean", [*_flag("--cleaning-policy", cleaning_policy), *_flag("--level", level)]))
    start_early(settings)
    reporter, close = reporter_for(settings)
    reporter.note(" · ".join((f"profile {settings.profile}", *files_found(settings))))
    try:
        run = clean(settings, cleaning_policy, reporter, dry_run, level, reveal)
    except KeyboardInterrupt:
        close()
        word, code = ending()
        sys.stderr.write(f"veritensor-ray: {word}; the same command resumes where this one stopped\n")
        raise typer.Exit(code) from None
    finally:
        close()
    if settings.log_format == "json":
        sys.stdout.write(json.dumps(run | {"samples": masked(run.get("samples") or ())}) + "\n")
    else:
        without = (
            [NotCopied(**one) for one in run["reasons"]]
            if dry_run
            else not_copied(OutputStore(absolute(str(settings.output)), settings.stores))
        )
        _show(run, str(settings.output), without)
    if html:
        write_page(html, run, settings, reason if reveal else None)
    code = _CODES[run["verdict"]]
    raise typer.Exit(0 if code == 3 and settings.allow_partial else code)


def _flag(name: str, value: str | None) -> list[str]:
    return [name, value] if value else []


def _check_kind(policy: str | None) -> None:
    """Raises UsageError for a cleaning policy that is named as the policy of findings."""
    from pathlib import Path

    from veritensor_ray.cleaning.cleaning_policy import load_clean_policy
    from veritensor_ray.core.errors import UsageError
    from veritensor_ray.policy.policy_file import load_policy

    if policy is None or not Path(policy).is_file():
        return
    try:
        load_policy(policy)
    except UsageError as problem:
        try:
            load_clean_policy(policy)
        except UsageError:
            raise problem from None
        raise UsageError(f"{policy} is a cleaning policy; name it with --cleaning-policy") from None


@app.command(_VERIFY)
def verify(
    folder: Annotated[str, typer.Argument(help="The folder or URI that --to named.")],
    trusted_keys: Trusted = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Check that a cleaned corpus is still what was written.

    Every file is compared with its SHA-256 in the manifest, both audits with theirs in run.json, and all of it with the signature. With
    --trusted-keys, or `trusted_keys` in the configuration, a copy without a signature is refused.

    Exit codes: 0 everything is as it was written, and the copy had no finding at or above the level; 1 it had; 3 its audit was incomplete,
    or it is empty; 4 something differs, is missing or is not signed.
    """
    from veritensor_ray.cleaning.copy_statement import verify_copy
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.core.errors import VeritensorError
    from veritensor_ray.core.signing import trust_list
    from veritensor_ray.stores.filesystems import absolute
    from veritensor_ray.stores.outputs import OutputStore

    settings = load_settings(config, {"trusted_keys": trusted_keys})
    store = OutputStore(absolute(folder), settings.stores)
    try:
        signed = settings.trusted_keys is not None or store.exists("attestation.json")
        verified = verify_copy(store, trust_list(settings.trusted_keys) if signed else None)
    except VeritensorError as error:
        if as_json:
            sys.stdout.write(json.dumps({"verified": False, "reason": str(error)}) + "\n")
        raise
    _say_verified(verified, folder, as_json)
    raise typer.Exit(_CODES[verified.run["verdict"]])


def _say_verified(verified: VerifiedCopy, folder: str, as_json: bool) -> None:
    """Print what was compared, and the verdict. What nobody signed is only said to be what run.json says."""
    from veritensor_ray.cli.render import console, safe
    from veritensor_ray.exports.copy_verdict import verdict

    run, signed = verified.run, bool(verified.keys)
    if as_json:
        keys = [{"id": key.id, "name": key.name} for key in verified.keys]
        about = {"verified": signed, "unchanged": True, "files": verified.files, "signed_by": keys}
        about |= {name: run.get(name) for name in ("verdict", "level", "left", "below")}
        sys.stdout.write(json.dumps(about, indent=2) + "\n")
        return
    out, where = console(), safe(folder)
    files = f"{counted(verified.files, 'file')} in {where}"
    if signed:
        keys_said = " and ".join(f"key {key.id} ({safe(key.name)})" for key in verified.keys)
        out.print(f"verified: {files} and both audits are exactly as {keys_said} signed them")
        out.print(verdict(run, where), soft_wrap=True)
        return
    out.print(f"unchanged: {files} are as the manifest says, and both audits as run.json says")
    claimed = verdict(run, where).partition(": ")[2]  # without the word itself, which stands for what was verified
    out.print(f"Not signed: whoever can write there can have changed all of it. According to run.json, {claimed}", soft_wrap=True)


def _show(run: Mapping[str, Any], folder: str, without: Sequence[NotCopied] = ()) -> None:
    """Print what became of the artifacts, which ones are not in the copy, what was changed, and the verdict."""
    from veritensor_ray.cleaning.copy_manifest import MEANINGS
    from veritensor_ray.cli.render import console, ran, safe, table
    from veritensor_ray.exports.copy_verdict import verdict
    from veritensor_ray.results.run_text import changed_lines

    out = console()
    results = run["results"]
    out.print(f"\nArtifacts ({sum(results.values()):,})", style="bold")
    rows = [(f"{n:,}", name, MEANINGS[name]) for name, n in results.items()]
    out.print(table(("artifacts", "result", "meaning"), rows, right=("artifacts",)) if rows else "  none")
    _not_copied(out, without, "the manifest of a real run names all of them" if run["verdict"] == "dry-run" else _ALL_NAMED)
    _actions(
        out,
        f"Changes ({counted(run['changes'], 'place')}; a finding may have several)" if run["changes"] else "Changes",
        [one for one in run["actions"] if one["action"] not in _WHOLE_FILES],
    )
    _actions(out, "Findings in files that are not in the copy", [one for one in run["actions"] if one["action"] in _WHOLE_FILES])
    if run["verdict"] == "dry-run":
        _samples(out, run["samples"])
        out.print("\nDry run: nothing was written")
        return
    where = safe(folder.rstrip("/"))
    place = f"{where}/corpus" if run["after"] else "empty"
    dropped = f"; {counted(run['rows_dropped'], 'row')} dropped, see rows.parquet" if run["rows_dropped"] else ""
    out.print(f"\nCopy:    {place} (manifest.parquet says what became of every artifact{dropped})")
    if aside := results.get("quarantined", 0) + results.get("held", 0):
        out.print(f"Aside:   {where}/quarantine ({counted(aside, 'file')})")
    out.print(f"Audits:  {where}/before and {where}/after" if run["after"] else f"Audit:   {where}/before")
    for line in changed_lines(run, "copy"):
        out.print(safe(line))
    out.print(verdict(run, where), soft_wrap=True)
    out.print(f"Run {run['before']['scan_id']} complete · profile {run['profile']}{ran(run['before'])}")


def _not_copied(out: Any, found: Sequence[NotCopied], where_all: str) -> None:
    """Print the most frequent reasons why artifacts are not in the copy, with the names of a few."""
    from veritensor_ray.cleaning.not_copied import released_by
    from veritensor_ray.cli.render import reasons, table

    if not found:
        return
    out.print("\nNot in the copy", style="bold")
    reasons(out, "result", [(one.artifacts, one.result, one.reason, one.examples) for one in found[:_SHOWN]], where_all)
    if len(found) > _SHOWN and not any(one.artifacts > len(one.examples) for one in found[:_SHOWN]):
        out.print(f"  {where_all}")
    if levers := released_by(found):
        out.print("\nWhat releases them", style="bold")
        rows = [(f"{number:,}", code, said) for number, code, said in levers]
        out.print(table(("artifacts", "reason code", "lever"), rows, right=("artifacts",)))


def _actions(out: Any, heading: str, actions: list[Mapping[str, Any]]) -> None:
    """Print the most frequent of some actions."""
    from veritensor_ray.cli.render import table

    out.print(f"\n{heading}", style="bold")
    rows = [(f"{one['count']:,}", one["action"], one["rule"]) for one in actions[:_SHOWN]]
    out.print(table(("places", "action", "rule"), rows, right=("places",)) if rows else "  none")
    if len(actions) > _SHOWN:
        out.print(f"  and {counted(len(actions) - _SHOWN, 'more kind')}")


def _samples(out: Any, samples: list[Mapping[str, str]]) -> None:
    from veritensor_ray.cli.render import safe

    out.print(f"\nSome changes ({len(samples[:_SAMPLES])})", style="bold")
    for one in samples[:_SAMPLES]:
        out.print(f"  {safe(one['rule'])} · {one['action']}")
        out.print(f"  - {safe(one['before'])}", style="red")
        out.print(f"  + {safe(one['after'])}", style="green")
