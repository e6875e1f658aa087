"""The configuration model: a YAML file, overridden by VERITENSOR_* variables, overridden by flags."""

from __future__ import annotations

import difflib
import hashlib
import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

from veritensor_ray.core.errors import UsageError
from veritensor_ray.core.timespans import span
from veritensor_ray.core.uris import real_base

ENV_PREFIX = "VERITENSOR_"
Severity = Literal["info", "low", "medium", "high", "critical"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


def _split(value: Any) -> Any:
    """Accepts a list as one comma-separated string, as variables and flags give it."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _scalar(value: Any) -> Any:
    """Turns numbers and dates from YAML back into text: `sample: 100`, `since: 2026-01-31`."""
    return str(value) if isinstance(value, int | float | date) else value


# The second argument is what a file may say, for the JSON Schema (`config schema`).
Text = Annotated[str | None, BeforeValidator(_scalar, json_schema_input_type=str | float | date | None)]
StringList = Annotated[list[str], BeforeValidator(_split, json_schema_input_type=list[str] | str)]


def _named_secret(value: Any) -> Any:
    if value is not None and not re.fullmatch(r"env:\w+|file:.+", str(value)):
        raise ValueError("secrets are referenced, never written into the configuration; use env:NAME or file:/path")
    return value


NamedSecret = Annotated[
    str | None, BeforeValidator(_named_secret, json_schema_input_type=Annotated[str, Field(pattern=r"^(env:\w+|file:.+)$")] | None)
]
_DEFAULT_FILE = "veritensor-ray.yaml"
# Keys that run code or decide whom to trust: refused in a file that was only found in the working directory.
_ONLY_NAMED = (("notify", "command"), ("", "plugins"), ("", "plugin_folder"), ("", "trusted_keys"))
_MOST_BYTES = 4 << 20


def _seconds(value: Any) -> Any:
    """Converts a span of time to seconds; a plain number is already in seconds."""
    return value if value is None or isinstance(value, int | float) else span(str(value)).total_seconds()


_Span = Annotated[float, Field(ge=0)] | Annotated[str, Field(pattern=r"^\d+(\.\d+)?[smhdw]$")]
Duration = Annotated[Annotated[float, Field(ge=0)] | None, BeforeValidator(_seconds, json_schema_input_type=_Span | None)]


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, and values do not change after the start."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def json_schema(cls, title: str) -> dict[str, Any]:
        """Returns the JSON Schema of a file that this class describes, for editors and checks."""
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **cls.model_json_schema(), "title": title}


class Limits(Section):
    """Limits that the user can set. Content beyond a limit becomes a gap with the limit's name; `bounds` lists the fixed limits."""

    batch_bytes: ByteSize = Field(ByteSize(32_000_000), description="text in one batch that is sent to a model actor")
    batch_rows: int = Field(4096, ge=1, description="segments in one batch")
    shard_bytes: ByteSize = Field(ByteSize(32_000_000), description="size of a shard, and of one part of a split artifact")
    shard_artifacts: int = Field(300, ge=1, description="artifacts in one shard")
    split_bytes: ByteSize = Field(ByteSize(64_000_000), description="larger artifacts are split if that loses nothing")
    artifact_seconds: float = Field(300, gt=0, description="seconds that a worker may spend without progress")
    engine_seconds: float = Field(
        120, gt=0, description="CPU seconds that an engine may spend on each megabyte of an artifact's text, without its model"
    )
    worker_memory: ByteSize | None = Field(None, description="bytes of memory that a worker may allocate")
    segment_chars: int = Field(262_144, ge=4096, description="longer texts are cut into overlapping segments")
    overlap_chars: int = Field(1024, ge=0, description="characters that the next segment repeats")
    expanded_bytes: ByteSize = Field(
        ByteSize(50_000_000_000), description="bytes unpacked from one artifact, at all depths and in all formats"
    )
    expanded_ratio: int = Field(1000, ge=1, description="bytes unpacked from one artifact, as a multiple of its size")
    members: int = Field(100_000, ge=1, description="members of one artifact, at all depths")
    depth: int = Field(8, ge=1, description="nesting depth of members inside an artifact")
    json_depth: int = Field(200, ge=1, description="nesting depth of JSON; anything deeper is read as text")
    image_pixels: int = Field(100_000_000, ge=1, description="pixels of an image")
    hits_per_rule: int = Field(10_000, ge=1, description="rows of findings per artifact and rule")


class Resources(Section):
    """How much work runs where. On CPUs, extraction and model actors take turns; with GPUs, actors have CPUs of their own."""

    cpus: int | None = Field(None, ge=1, description="CPUs that extraction may use; default: all that are free")
    max_cpus: float | None = Field(None, gt=0, description="CPUs that the whole run may hold at once")
    max_gpus: float | None = Field(None, gt=0, description="GPUs that the whole run may hold at once")
    model_pools: Literal["shared", "per-engine"] = Field(
        "shared", description="one kind of actor for all model engines, or one kind for each"
    )
    model_actors: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto", description="actors of each kind; auto: as many as the CPUs or GPUs can keep busy"
    )
    model_cpus: float = Field(1.0, ge=0, description="CPUs that one model actor uses")
    model_gpus: float = Field(0.0, ge=0, description="GPUs, or a share of one, for each model actor")
    model_threads: int = Field(1, ge=1, description="threads of PyTorch or ONNX Runtime in a model actor")
    window_bytes: ByteSize = Field(ByteSize(256_000_000), description="bytes of shards in progress at once")


_Number = Annotated[float, Field(allow_inf_nan=False)]
_Weight = Annotated[_Number, Field(ge=0)]
_Mix = Annotated[tuple[_Weight, _Weight, _Number] | None, BeforeValidator(_split, json_schema_input_type=list[float] | str | None)]


class InjectionSettings(Section):
    """Mix and thresholds of the injection classifier; if unset, those calibrated with the model apply.

    With `cascade`, the transformer reads only windows that a cheap model finds suspicious.
    """

    cascade: bool = Field(True, description="let the transformer read only text that a cheap model finds suspicious")
    mix: _Mix = Field(None, description="a, b and c of the score: a times the transformer's, plus b times the first stage's, plus c")
    low: float | None = Field(None, gt=0, lt=1, description="lowest score that is a finding; `medium` again for none of severity low")
    medium: float | None = Field(None, gt=0, lt=1, description="lowest score with severity medium")
    high: float | None = Field(None, gt=0, lt=1, description="lowest score with severity high")
    token_budget: int = Field(
        2048,
        ge=512,
        description="tokens that PyTorch computes at once, padding included; sized for a CPU's cache, and a GPU takes ten times as many",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        given = [(name, value) for name in ("low", "medium", "high") if (value := getattr(self, name))]
        for (lower, least), (higher, most) in itertools.pairwise(given):
            if most < least:
                raise ValueError(f"{higher} ({most}) is below {lower} ({least}); every finding of severity {higher} also counts as {lower}")
        return self


class CustomPii(Section):
    """An identifier defined by the user: a pattern, and conditions on a match and its surroundings."""

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", description="name of the identifier; it is reported as pii.custom-NAME")
    pattern: str = Field(min_length=1, max_length=2000, description="regular expression of the identifier")
    context: StringList = Field([], description="one of these words must be nearby, or in the column's name")
    validator: Literal["luhn", "mod97", "verhoeff", "iban", "payment-card"] | None = Field(
        None, description="check digits that a match must have"
    )
    severity: Severity = Field("medium", description="severity of its findings")
    ignore_case: bool = Field(False, description="whether upper and lower case are equal")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            compiled = re.compile(value)
        except (re.error, RecursionError) as error:
            raise ValueError(f"not a regular expression: {error}") from None
        if compiled.match("") is not None:
            raise ValueError("matches the empty text, so it would match everywhere")
        return value


class PiiSettings(Section):
    """Personal data: which passes run, and what they report."""

    free_text: bool = Field(True, description="find names, addresses and the like with the model; patterns always run")
    gate: bool = Field(True, description="let a cheap test decide which passages the model reads")
    min_confidence: float = Field(0.5, ge=0, le=1, description="findings with a lower confidence are not reported")
    private_addresses: bool = Field(False, description="report IP addresses of private networks too")
    regions: StringList = Field(
        ["US", "GB", "DE", "FR", "ES", "IT", "NL", "AT", "CH", "BE", "IN", "AU"], description="regions whose phone numbers are recognized"
    )
    thresholds: dict[str, Annotated[float, Field(gt=0, lt=1)]] = Field(
        {}, description="thresholds by rule name; if unset, those calibrated with the model apply"
    )
    token_budget: int = Field(
        1536, ge=512, description="tokens computed at once, padding included; sized for a CPU's cache, and a GPU takes ten times as many"
    )
    custom: list[CustomPii] = Field([], description="further identifiers of your own")


class OcrSettings(Section):
    """How text is read from images. Content beyond a limit becomes a gap with the limit's name."""

    languages: StringList = Field(["en"], min_length=1, description="languages to read; only the model for en ships with the package")
    min_side: int = Field(8, ge=1, description="smaller images are taken to hold no text")
    pixels: int = Field(100_000_000, ge=1, description="pixels of an image; larger ones are not decoded")
    max_side: int = Field(6000, ge=640, description="longest side that the detector sees; larger images are scaled down")
    tile: int = Field(1024, ge=256, description="side of the tiles that the detector reads")
    frames: int = Field(8, ge=1, description="frames of an animation or pages of a TIFF; identical ones count once")
    words: int = Field(20_000, ge=1, description="text boxes that are read in one image")
    seconds: float = Field(120, gt=0, description="seconds for one image, checked between tiles and lines")
    turned: bool = Field(True, description="also read text that runs upwards, downwards or is upside down")
    min_confidence: float = Field(0.2, ge=0, le=1, description="lines below this confidence are discarded")
    bf16: bool = Field(True, description="let the detector compute in bfloat16; off if the processor does not support it")


class Modelfiles(Section):
    """Names that pickles may refer to, besides those known to be harmless."""

    allow: StringList = Field([], description="patterns of module.name that you consider safe; names known to be dangerous stay dangerous")


class Osv(Section):
    """How to reach OSV's service, or a mirror of it, if `dependencies.online` is set."""

    url: str = Field("https://api.osv.dev", pattern=r"^https?://[^\s/]", description="address of the service or of a mirror")
    timeout: float = Field(10, gt=0, description="seconds for one answer")
    seconds: float = Field(120, gt=0, description="seconds for all answers about one manifest")
    retries: int = Field(3, ge=0, le=10, description="further attempts after a fault")
    backoff: float = Field(0.5, ge=0, description="seconds before the first retry, doubled for each further one")
    cache_hours: float = Field(24, ge=0, description="hours that answers are kept on disk; 0: not at all")
    ca_bundle: str | None = Field(None, description="certificates for verifying the service")


class DependencySettings(Section):
    """The sources that manifests and lock files are checked against."""

    database: str | None = Field(None, description="file made by `advisories import`; default: a file in the user's data folder")
    online: bool = Field(False, description="query OSV's service, which sends package names and versions off the site")
    osv: Osv = Osv()
    max_age_days: int = Field(30, ge=1, description="an older database is reported as db_stale")
    allow: StringList = Field([], description="names of your own packages, which are never typosquats; * matches anything")
    popular: dict[Literal["pypi", "npm"], str] = Field(
        {}, description="files with popular package names, one per line, instead of the built-in lists"
    )


class Store(Section):
    """How to reach a URI prefix. Secrets are referenced (`env:NAME`, `file:/path`) and resolved only where they are used."""

    endpoint: str | None = Field(None, description="address of the service, for S3-compatible stores and catalogs of tables")
    region: str | None = Field(None, description="region (S3)")
    ca_bundle: str | None = Field(None, description="file with the certificates to trust (S3, catalogs)")
    path_style: bool = Field(False, description="put the bucket in the path instead of the host name (S3)")
    anonymous: bool = Field(False, description="do not sign requests")
    requester_pays: bool = Field(False, description="accept the charges of a bucket whose readers pay for requests (S3, GCS)")
    account: str | None = Field(None, description="storage account (Azure)")
    key: NamedSecret = Field(None, description="access key (S3) or account key (Azure)")
    secret: NamedSecret = Field(None, description="secret key (S3) or password (SQL catalogs)")
    token: NamedSecret = Field(
        None, description="session token (S3), token or key file (GCS), SAS token (Azure), bearer token (HTTP, catalogs)"
    )


class Cluster(Section):
    """How to reach a cluster, and what to do if it is busy."""

    token: NamedSecret = Field(None, description="token for Ray's token authentication; default: the token that Ray itself finds")
    ca_bundle: str | None = Field(None, description="certificates for checking an https address")
    wait: bool = Field(False, description="after submitting a run over HTTP, follow it and exit with its exit code")
    wait_resources: Duration = Field(None, description="how long to wait for CPUs and GPUs that other work holds")


class Bundle(Section):
    """The imported bundle of models, rules and advisories that runs use, if there is one."""

    folder: str | None = Field(None, description="folder with the imported bundles; default: a folder in the user's data folder")
    required: bool = Field(False, description="a run without a bundle refuses to start")
    warn_days: int = Field(30, ge=1, description="a run warns about parts that are older")
    max_days: int | None = Field(None, ge=1, description="a run refuses to start if a part is older")


class Sweep(Section):
    """What a nightly sweep reuses from the last complete one, and how many sweeps are kept."""

    trust: Literal["etag", "mtime", "content"] = Field(
        "etag", description="evidence that an artifact is unchanged; etag: whichever of etag, size and mtime the store provides"
    )
    keep: int = Field(30, ge=1, description="complete sweeps to keep; older ones are removed")
    every: Annotated[float, Field(gt=0), BeforeValidator(_seconds, json_schema_input_type=_Span)] = Field(
        86_400.0, description="expected interval between sweeps; a sweep that begins much later reports it"
    )


class Notify(Section):
    """Where to report how a run ended: counts only, never evidence or names of artifacts."""

    url: str | None = Field(
        None,
        pattern=r"^(https?://[^\s/]|env:\w+$|file:.)",
        description="receives a POST with JSON; a secret URL may be given as env:NAME or file:/path",
    )
    secret: NamedSecret = Field(None, description="signs the body with HMAC-SHA256, in the header X-Veritensor-Signature")
    command: str | None = Field(None, description="receives the JSON on its standard input")
    timeout: float = Field(10, gt=0, description="seconds for one attempt, and for the command")
    retries: int = Field(3, ge=0, le=10, description="further attempts after a fault")
    ca_bundle: str | None = Field(None, description="certificates for verifying an https address")


class Settings(Section):
    """All settings of a run. Field names are the YAML keys."""

    sources: StringList = Field([], description="folders, files, globs or URIs to audit")
    output: str | None = Field(
        None, description="folder or URI for the results; default: audit-NAME or sweep-NAME in the working directory"
    )
    profile: Literal["embedded", "standard"] = Field(
        "embedded", description="models to use: those in the package, or larger ones in HF_HOME"
    )
    engines: StringList | None = Field(None, description="engines to run; default: all of them")
    plugins: StringList = Field(
        [], description="further engines, formats and exports as module:name, from installed packages or the plugin_folder"
    )
    plugin_folder: str | None = Field(None, description="folder with the modules of plugins; it must not overlap with the sources")
    rules: StringList = Field([], description="folders with the user's own YARA rules")
    models: str | None = Field(
        None, description="folder with the models of profile standard; default: the bundle's, else HF_HOME/veritensor"
    )
    iocs: StringList = Field([], description="files with indicators of compromise: SHA-256 digests, domains, addresses, URLs")
    include: StringList = Field([], description="read only artifacts that match one of these globs")
    exclude: StringList = Field([], description="leave out artifacts that match one of these globs")
    max_size: ByteSize | None = Field(None, description="skip larger artifacts")
    since: Text = Field(None, description="ISO date or time, or an age such as 7d or 12h")
    sample: Text = Field(None, pattern=r"^\d+$|^\d+(\.\d+)?%$", description="read only this number of artifacts, or this share such as 1%")
    locations: Literal["first", "all"] = Field(
        "first", description="locations of a finding to keep: the first ones, or all of them in the table locations too"
    )
    as_of: Text = Field(
        None,
        description="version of a table, or a moment as in `since`: what tables and buckets with versions held then; default: the latest version",
    )
    key: StringList = Field([], max_length=8, description="columns of tables whose values are shown beside the row of a finding")
    inventory: StringList = Field([], description="manifest.json of S3 inventories, each of which takes the place of listing its bucket")
    follow_links: bool = Field(False, description="follow symbolic links below a local source")
    address: str | None = Field(
        None,
        description="cluster to run on, or embedded for a Ray that ends with the run, or local for processes without Ray; default: local for small runs, embedded for others",
    )
    job: Literal["audit", "sweep"] = Field("audit", description="an audit, or a sweep that reads only what changed since the last one")
    fail_on: Severity | None = Field(None, description="exit with 1 if a finding has this severity or a worse one")
    fail_on_all: bool = Field(False, description="with fail_on: count findings of earlier runs too")
    policy: str | None = Field(
        None, description="file with severities and suppressions; default: the policy.yaml that is kept in the output, if there is one"
    )
    no_policy: bool = Field(False, description="use no policy, not even the one that is kept in the output")
    metrics: str | None = Field(None, description="file that is written at the end, in the text format of Prometheus")
    allow_partial: bool = Field(False, description="exit with 0 instead of 3 if something could not be read or checked")
    strict: bool = Field(False, description="artifacts without a reader or an engine make the run incomplete too")
    allow_missing_engines: bool = Field(False, description="run without the engines whose model is missing")
    fresh: bool = Field(False, description="replace the results in the output and scan again")
    verbose: bool = Field(False, description="print a line for each shard, and the logs of the workers")
    log_format: Literal["text", "json"] = Field("text", description="progress and summary as text or as JSON lines")
    site_key: NamedSecret = Field(
        None, description="key for the ids of findings; default: a key that is created once in the user's configuration folder"
    )
    sign_key: NamedSecret = Field(None, description="private key that signs the results")
    trusted_keys: str | None = Field(
        None, description="file with the list of trusted keys; default: a file in the user's configuration folder"
    )
    read_rate: ByteSize | None = Field(None, description="bytes per second that the whole run may read from the corpus")
    deadline: Text = Field(
        None, description="HH:MM, an ISO time, or a span from now such as 90m; running shards end, and no new one begins"
    )
    sweep: Sweep = Sweep()
    notify: Notify = Notify()
    cluster: Cluster = Cluster()
    bundle: Bundle = Bundle()
    limits: Limits = Limits()
    resources: Resources = Resources()
    injection: InjectionSettings = InjectionSettings()
    pii: PiiSettings = PiiSettings()
    ocr: OcrSettings = OcrSettings()
    dependencies: DependencySettings = DependencySettings()
    modelfiles: Modelfiles = Modelfiles()
    stores: dict[str, Store] = Field({}, description="how to reach object stores, by URI prefix")
    _found: str | None = PrivateAttr(None)

    @property
    def cluster_address(self) -> str | None:
        """The address, unless it means this machine."""
        return None if self.address in ("embedded", "local") else self.address

    @property
    def found(self) -> str | None:
        """The configuration file that was found in the working directory; None if it was named, or if there was none."""
        return self._found

    def digest(self, *fields: str) -> str:
        """Returns a short SHA-256 over the named fields, stable across processes."""
        values = self.model_dump(mode="json", include=set(fields))
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def load_settings(path: str | None = None, flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Merge file, environment and flags; a flag of None counts as not given.

    Without `path`, `veritensor-ray.yaml` in the working directory is read if it exists and does not overlap with the sources.
    Raises UsageError, which names the offending key and the nearest known one.
    """
    environ = os.environ if environ is None else environ
    given: dict[str, Any] = {}
    for layer in (_from_environment(environ), {k: v for k, v in (flags or {}).items() if v is not None}):
        _merge(given, layer)
    file = Path(path or _DEFAULT_FILE)
    found = path is None and os.path.lexists(file)
    if found:  # checked before it is opened, since anyone may have put it there
        check_apart(file, [str(one) for one in _split(given.get("sources")) or ()], "--config")
    merged = _from_file(file, named=not found) if path or found else {}
    _merge(merged, given)
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise UsageError("\n".join(explain(error))) from None
    if found:
        check_apart(file, settings.sources, "--config", settings.follow_links)
        settings._found = str(file.absolute())
    if settings.plugin_folder is not None:
        settings = settings.model_copy(update={"plugin_folder": str(Path(settings.plugin_folder).expanduser().absolute())})
    return settings


def check_apart(file: Path, sources: Sequence[str], flag: str, follow_links: bool = False) -> None:
    """Raises UsageError for a file that nobody named and that lies in, above or below a source: the source's authors may have written it.

    With `follow_links` a local source may reach any folder, so every such file is rejected.
    """
    standing = {Path(os.path.abspath(file)), Path(os.path.realpath(file))}  # noqa: PTH100  # for a link, both where it is and where it leads
    for source, base in ((source, real_base(source)) for source in sources):
        if base is not None and (follow_links or any(base in (one, *one.parents) or one.parent in base.parents for one in standing)):
            why = f"links of the corpus {source} may lead there" if follow_links else f"it lies in, above or below the corpus {source}"
            raise UsageError(
                f"{file} in the working directory is used only if you name it: {why}, so it may not be yours. Name it with {flag} {file}, or start "
                "from another folder"
            )


def _from_file(path: Path, named: bool) -> dict[str, Any]:
    """Returns the keys of a configuration file. Raises UsageError, also if a file that was only found runs code or decides whom to trust."""
    if not path.exists():
        raise UsageError(f"configuration file {path} does not exist")
    if not path.is_file() or path.stat().st_size > _MOST_BYTES:
        raise UsageError(f"configuration file {path} is not a regular file of at most {_MOST_BYTES >> 20} MiB")
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:  # the lines themselves are not quoted, since the file may not be a configuration
        at = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise UsageError(f"configuration file {path}: {at}{error.problem}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"configuration file {path}: {type(error).__name__}") from None
    if not isinstance(data or {}, dict):
        raise UsageError(f"configuration file {path}: the top level must be a mapping of keys to values")
    for section, key in () if named else _ONLY_NAMED:
        inner = data.get(section) if section else data
        if isinstance(inner, dict) and inner.get(key):
            raise UsageError(
                f"{path} was found in the working directory and sets {f'{section}.' if section else ''}{key}, which is only allowed in a file that "
                f"you name: give --config {path}"
            )
    return data or {}


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Returns keys from the environment: VERITENSOR_PROFILE=…, and nested ones with two underscores: VERITENSOR_LIMITS__BATCH_BYTES=16MB."""
    result: dict[str, Any] = {}
    for name, value in environ.items():
        if name.startswith(ENV_PREFIX):
            *sections, key = name.removeprefix(ENV_PREFIX).lower().split("__")
            target = result
            for section in sections:
                target = target.setdefault(section, {})
            target[key] = value
    return result


def _merge(base: dict[str, Any], layer: Mapping[str, Any]) -> None:
    for key, value in layer.items():
        if isinstance(value, Mapping) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = value


_SAID = {  # where pydantic's own message is about Python
    "missing": "this key is required",
    "tuple_type": "must be a list",
    "model_type": "must be a mapping of keys to values",
}


def explain(error: ValidationError, model: type[BaseModel] = Settings, kind: str = "configuration key") -> Iterator[str]:
    """Yields one sentence per problem in a file that `model` describes; for an unknown key, it suggests the nearest known one."""
    for problem in error.errors():
        place = [str(part + 1) if isinstance(part, int) else part for part in problem["loc"]]  # list entries are counted from 1
        key = ".".join(place)
        if problem["type"] == "extra_forbidden":
            near = difflib.get_close_matches(place[-1], _known(place[:-1], model), n=1, cutoff=0.5)
            hint = f"; did you mean {'.'.join([*place[:-1], near[0]])}?" if near else ""
            yield f"unknown {kind} {key}{hint}"
        else:
            said = _SAID.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
            yield f"{kind} {key}: {said}" if key else said


def _known(path: list[str], model: type[BaseModel]) -> list[str]:
    """Returns the keys of the section that a path leads to, ignoring list indexes and names chosen by the user."""
    for part in path:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        inner = (one for one in (annotation, *get_args(annotation)) if isinstance(one, type) and issubclass(one, BaseModel))
        model = next(inner, model)
    return list(model.model_fields)


def resolve_secret(name: str | None) -> str | None:
    """Returns the value behind `env:NAME` or `file:/path`; it is never logged or written. Raises UsageError if it is not available."""
    if name is None:
        return None
    kind, _, rest = name.partition(":")
    if kind == "env":
        if rest not in os.environ:
            raise UsageError(f"the secret env:{rest} is not set in the environment of this process")
        return os.environ[rest].strip()
    try:
        return Path(rest).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UsageError(f"the secret file:{rest} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"the secret file:{rest} is not text: write it as hexadecimal or base64") from None
