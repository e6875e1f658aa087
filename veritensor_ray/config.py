"""The one configuration model: YAML, then VERITENSOR_* variables, then flags; it knows no other module but errors, ages and URIs."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

from veritensor_ray.ages import span
from veritensor_ray.errors import UsageError
from veritensor_ray.uris import real_base

ENV_PREFIX = "VERITENSOR_"
SEVERITIES = ("info", "low", "medium", "high", "critical")
Severity = Literal["info", "low", "medium", "high", "critical"]


def _split(value: Any) -> Any:
    """Lists may come from a variable or a flag as one comma-separated string."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _scalar(value: Any) -> Any:
    """YAML makes numbers and dates of what is text here: `sample: 100`, `since: 2026-01-31`."""
    return str(value) if isinstance(value, int | float | date) else value


Text = Annotated[str | None, BeforeValidator(_scalar)]
StringList = Annotated[list[str], BeforeValidator(_split)]


def _named_secret(value: Any) -> Any:
    if value is not None and not re.fullmatch(r"env:\w+|file:.+", str(value)):
        raise ValueError("secrets are named, never written down: use env:NAME or file:/path")
    return value


NamedSecret = Annotated[str | None, BeforeValidator(_named_secret)]
_DEFAULT_FILE = "veritensor-ray.yaml"
# What runs something, or says whom to believe: not from a file that only lies where somebody works.
_ONLY_NAMED = (("notify", "command"), ("", "plugins"), ("", "plugin_folder"), ("", "trusted_keys"))
_MOST_BYTES = 4 << 20


def _seconds(value: Any) -> Any:
    """A span of time to seconds; a number is seconds."""
    return value if value is None or isinstance(value, int | float) else span(str(value)).total_seconds()


Duration = Annotated[Annotated[float, Field(ge=0)] | None, BeforeValidator(_seconds)]


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values do not change after start."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(Section):
    """Bounds. What a bound cuts off becomes a gap with the bound's name; `bounds` has those that are fixed."""

    batch_bytes: ByteSize = Field(ByteSize(32_000_000), description="text in a batch that travels to a model actor")
    batch_rows: int = Field(4096, ge=1, description="segments in a batch")
    shard_bytes: ByteSize = Field(ByteSize(32_000_000), description="what a shard holds, and a part of a split artifact")
    shard_artifacts: int = Field(300, ge=1, description="artifacts in a shard")
    split_bytes: ByteSize = Field(ByteSize(64_000_000), description="larger artifacts are split where that loses nothing")
    artifact_seconds: float = Field(300, gt=0, description="seconds of a worker without progress")
    worker_memory: ByteSize | None = Field(None, description="bytes that a worker may allocate")
    segment_chars: int = Field(262_144, ge=4096, description="longer texts are cut into segments that overlap")
    overlap_chars: int = Field(1024, ge=0, description="characters that the next segment repeats")
    expanded_bytes: ByteSize = Field(
        ByteSize(50_000_000_000), description="bytes that are made out of one artifact, by whatever packs them"
    )
    expanded_ratio: int = Field(1000, ge=1, description="the same as a multiple of the artifact's size")
    members: int = Field(100_000, ge=1, description="files inside one artifact, at all depths")
    depth: int = Field(8, ge=1, description="how deep files are packed in files")
    json_depth: int = Field(200, ge=1, description="how deep JSON is nested; what is deeper is read as text")
    image_pixels: int = Field(100_000_000, ge=1, description="pixels of a picture")
    hits_per_rule: int = Field(10_000, ge=1, description="rows of findings for an artifact and rule")


class Resources(Section):
    """Where work is placed. On CPUs extractions and model actors take turns; on GPUs actors have CPUs of their own."""

    cpus: int | None = Field(None, ge=1, description="CPUs that extraction may use; default: what is free")
    max_cpus: float | None = Field(None, gt=0, description="CPUs that the whole run may hold at once")
    max_gpus: float | None = Field(None, gt=0, description="GPUs that the whole run may hold at once")
    model_pools: Literal["shared", "per-engine"] = Field("shared", description="one kind of actor for all model engines, or one each")
    model_actors: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto", description="of each kind; auto: as many as CPUs or GPUs could keep busy"
    )
    model_cpus: float = Field(1.0, ge=0, description="CPUs that one model actor computes with")
    model_gpus: float = Field(0.0, ge=0)
    model_threads: int = Field(1, ge=1)
    window_bytes: ByteSize = ByteSize(256_000_000)


class InjectionSettings(Section):
    """Thresholds of the injection classifier; unset: those calibrated with the model.

    With `cascade` the transformer reads only windows that a cheap model finds suspicious, where the model has such a first stage.
    """

    cascade: bool = True
    medium: float | None = Field(None, gt=0, lt=1)
    high: float | None = Field(None, gt=0, lt=1)
    token_budget: int = Field(
        2048,
        ge=512,
        description="tokens that PyTorch computes at once, padding included: what fits a CPU's cache; a GPU takes ten times as many",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.medium and self.high and self.high < self.medium:
            raise ValueError(f"high ({self.high}) is below medium ({self.medium}): what is high is medium, too")
        return self


class CustomPii(Section):
    """An identifier of the user's own: a pattern, and what has to be true around and of a match."""

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    pattern: str = Field(min_length=1, max_length=2000)
    context: StringList = Field([], description="words of which one has to stand near, or name the column")
    validator: Literal["luhn", "mod97", "verhoeff", "iban", "payment-card"] | None = None
    severity: Severity = "medium"
    ignore_case: bool = False

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            compiled = re.compile(value)
        except (re.error, RecursionError) as error:
            raise ValueError(f"no regular expression: {error}") from None
        if compiled.match("") is not None:
            raise ValueError("matches the empty text, so it would match everywhere")
        return value


class PiiSettings(Section):
    """Personal data: which passes run and what is reported."""

    free_text: bool = Field(True, description="names, addresses and the like, by the model; patterns run always")
    gate: bool = Field(True, description="a cheap test decides which passages the model reads")
    min_confidence: float = Field(0.5, ge=0, le=1)
    private_addresses: bool = Field(False, description="IP addresses of private networks too")
    regions: StringList = Field(["US", "GB", "DE", "FR", "ES", "IT", "NL", "AT", "CH", "BE", "IN", "AU"], description="for phone numbers")
    thresholds: dict[str, Annotated[float, Field(gt=0, lt=1)]] = Field(
        {}, description="by rule name; unset: those calibrated with the model"
    )
    token_budget: int = Field(
        1536, ge=512, description="tokens computed at once, padding included: what fits a CPU's cache; a GPU takes ten times as many"
    )
    custom: list[CustomPii] = []


class OcrSettings(Section):
    """How text is read out of images. What a bound cuts off becomes a gap with the bound's name."""

    languages: StringList = Field(["en"], min_length=1, description="en is the only one whose model ships")
    min_side: int = Field(8, ge=1, description="smaller images hold no text")
    pixels: int = Field(100_000_000, ge=1, description="larger images are not decoded")
    max_side: int = Field(6000, ge=640, description="of what the detector sees; larger images are shrunk to it")
    tile: int = Field(1024, ge=256, description="the detector sees tiles of this side")
    frames: int = Field(8, ge=1, description="of an animation, or pages of a TIFF; equal ones count once")
    words: int = Field(20_000, ge=1, description="boxes in one image that are read")
    seconds: float = Field(120, gt=0, description="for one image, checked between tiles and lines")
    turned: bool = Field(True, description="read text that runs upwards, downwards or is upside down")
    min_confidence: float = Field(0.2, ge=0, le=1, description="below it a line is taken for no text")
    bf16: bool = Field(True, description="let the detector compute in bfloat16; off where the processor does not know it")


class Modelfiles(Section):
    """What pickles may refer to besides the names that are known to be harmless."""

    allow: StringList = Field([], description="patterns of module.name that you vouch for; what is known to be dangerous stays so")


class Osv(Section):
    """How to reach OSV's service, or a mirror of it, where `dependencies.online` is set."""

    url: str = Field("https://api.osv.dev", pattern=r"^https?://[^\s/]")
    timeout: float = Field(10, gt=0, description="seconds for one answer")
    seconds: float = Field(120, gt=0, description="for all the answers about one manifest")
    retries: int = Field(3, ge=0, le=10)
    backoff: float = Field(0.5, ge=0, description="seconds before the first retry, doubled for each further one")
    cache_hours: float = Field(24, ge=0, description="answers are kept so long on disk; 0: not at all")
    ca_bundle: str | None = None


class DependencySettings(Section):
    """What manifests and lock files are checked against."""

    database: str | None = Field(None, description="file made by `advisories import`; default: in this user's data folder")
    online: bool = Field(False, description="ask OSV's service: sends names and versions of packages out")
    osv: Osv = Osv()
    max_age_days: int = Field(30, ge=1, description="an older database is reported as db_stale")
    allow: StringList = Field([], description="names of your own packages, never typosquats; * stands for anything")
    popular: dict[Literal["pypi", "npm"], str] = Field({}, description="files with popular names, one a line, in place of ours")


class Store(Section):
    """How to reach a URI prefix. Secrets are named (`env:NAME`, `file:/path`) and resolved where they are used."""

    endpoint: str | None = None
    region: str | None = None
    ca_bundle: str | None = None
    path_style: bool = False
    anonymous: bool = False
    account: str | None = None
    key: NamedSecret = None
    secret: NamedSecret = None
    token: NamedSecret = None


class Cluster(Section):
    """How to reach a cluster, and what to do when it is busy."""

    token: NamedSecret = Field(None, description="of Ray's token authentication; default: what Ray itself finds")
    ca_bundle: str | None = Field(None, description="certificates that an https address is checked with")
    wait: bool = Field(False, description="after a submission over HTTP: follow it and end with its exit code")
    wait_resources: Duration = Field(None, description="how long to wait for CPUs and GPUs that others hold")


class Bundle(Section):
    """The imported bundle of models, rules and advisories that runs use, where there is one."""

    folder: str | None = Field(None, description="where imported bundles lie; default: in this user's data folder")
    required: bool = Field(False, description="without a bundle a run refuses to start")
    warn_days: int = Field(30, ge=1, description="a run over older parts says so")
    max_days: int | None = Field(None, ge=1, description="a run over older parts refuses to start")


class Sweep(Section):
    """What a nightly sweep takes over from the last complete one, and what it keeps."""

    trust: Literal["etag", "mtime", "content"] = Field(
        "etag", description="what says that an artifact is unchanged; etag: all of etag, size and mtime that the store gives"
    )
    keep: int = Field(30, ge=1, description="complete sweeps; older ones are removed")
    every: Annotated[float, Field(gt=0), BeforeValidator(_seconds)] = Field(86_400.0, description="a sweep that comes much later says so")


class Notify(Section):
    """Who hears how a run ended: counts, never evidence or names of artifacts."""

    url: str | None = Field(
        None, pattern=r"^(https?://[^\s/]|env:\w+$|file:.)", description="gets a POST with JSON; one that is a secret may be named as such"
    )
    secret: NamedSecret = Field(None, description="signs the body: HMAC-SHA256 in the header X-Veritensor-Signature")
    command: str | None = Field(None, description="gets the JSON on its standard input")
    timeout: float = Field(10, gt=0, description="seconds for one attempt, and for the command")
    retries: int = Field(3, ge=0, le=10)
    ca_bundle: str | None = None


class Settings(Section):
    """Everything a run may be told. Field names are the YAML keys."""

    sources: StringList = []
    output: str | None = None
    profile: Literal["embedded", "standard"] = "embedded"
    engines: StringList | None = None
    plugins: StringList = Field([], description="further engines as module:Class, from installed packages or the plugin_folder")
    plugin_folder: str | None = Field(None, description="folder with the modules of plugins; it has to stand apart from the sources")
    rules: StringList = Field([], description="folders of the user's own YARA rules")
    models: str | None = Field(
        None, description="folder with the models of profile standard; default: the bundle's, else HF_HOME/veritensor"
    )
    iocs: StringList = Field([], description="files with indicators of compromise: SHA-256 digests, domains, addresses, URLs")
    include: StringList = []
    exclude: StringList = []
    max_size: ByteSize | None = None
    since: Text = Field(None, description="ISO date or time, or an age like 7d, 12h")
    sample: Text = Field(None, pattern=r"^\d+$|^\d+(\.\d+)?%$")
    follow_links: bool = False
    address: str | None = None
    job: Literal["audit", "sweep"] = "audit"
    fail_on: Severity | None = None
    fail_on_all: bool = Field(False, description="with fail_on: findings of earlier runs count too")
    policy: str | None = Field(None, description="file with severities and suppressions; default: policy.yaml here, if there is one")
    metrics: str | None = Field(None, description="file that is written at the end in Prometheus' text format")
    allow_partial: bool = False
    strict: bool = Field(False, description="artifacts without a reader or engine make the run incomplete too")
    allow_missing_engines: bool = False
    fresh: bool = False
    verbose: bool = False
    log_format: Literal["text", "json"] = "text"
    site_key: NamedSecret = None
    sign_key: NamedSecret = Field(None, description="private key that the results are signed with")
    trusted_keys: str | None = Field(None, description="list of the keys whose signatures count; default: in this user's configuration")
    read_rate: ByteSize | None = Field(None, description="bytes a second that the whole run may read from the corpus")
    deadline: Text = Field(None, description="HH:MM, an ISO time, or 90m from now: shards under way end, no new one begins")
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
    stores: dict[str, Store] = {}
    _found: str | None = PrivateAttr(None)

    @property
    def found(self) -> str | None:
        """The configuration file that was used although nobody named it; None for one that was named, or for none."""
        return self._found

    def digest(self, *fields: str) -> str:
        """Short SHA-256 over the named fields, stable across processes."""
        values = self.model_dump(mode="json", include=set(fields))
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def load_settings(path: str | None = None, flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Merge file, environment and flags (None means 'not given').

    Without `path`, `veritensor-ray.yaml` in the working directory is read if it is there and apart from the sources.
    Raises UsageError that names the offending key and the nearest known one.
    """
    environ = os.environ if environ is None else environ
    given: dict[str, Any] = {}
    for layer in (_from_environment(environ), {k: v for k, v in (flags or {}).items() if v is not None}):
        _merge(given, layer)
    file = Path(path or _DEFAULT_FILE)
    found = path is None and os.path.lexists(file)
    if found:  # before it is opened: it may be anything
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
    """Raises UsageError for a file that nobody named and that stands in, above or below a source: whoever wrote that may have written it.

    With `follow_links` a local source may reach any folder, so that no file is apart from it.
    """
    standing = {Path(os.path.abspath(file)), Path(os.path.realpath(file))}  # noqa: PTH100  # of a link, where it is and where it leads
    for source, base in ((source, real_base(source)) for source in sources):
        if base is not None and (follow_links or any(base in (one, *one.parents) or one.parent in base.parents for one in standing)):
            why = f"links of the corpus {source} may lead there" if follow_links else f"it stands in, above or below the corpus {source}"
            raise UsageError(
                f"{file} was found in the working directory, and {why}, so it may not be yours; if it is, name it with {flag} {file}, else "
                "start from another folder"
            )


def _from_file(path: Path, named: bool) -> dict[str, Any]:
    """The keys in a configuration file. Raises UsageError; also for one that was only found and names what is run or believed."""
    if not path.exists():
        raise UsageError(f"configuration file {path} does not exist")
    if not path.is_file() or path.stat().st_size > _MOST_BYTES:
        raise UsageError(f"configuration file {path} is not a regular file of at most {_MOST_BYTES >> 20} MiB")
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:  # without the lines themselves: the file may be another one than it seems
        at = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise UsageError(f"configuration file {path}: {at}{error.problem}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"configuration file {path}: {type(error).__name__}") from None
    if not isinstance(data or {}, dict):
        raise UsageError(f"configuration file {path}: the top level has to be a mapping of keys to values")
    for section, key in () if named else _ONLY_NAMED:
        inner = data.get(section) if section else data
        if isinstance(inner, dict) and inner.get(key):
            raise UsageError(
                f"{path} was found in the working directory and sets {f'{section}.' if section else ''}{key}, which only a file that is "
                f"named may do: give --config {path}"
            )
    return data or {}


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """VERITENSOR_PROFILE=…, nested keys with two underscores: VERITENSOR_LIMITS__BATCH_BYTES=16MB."""
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


def explain(error: ValidationError, model: type[BaseModel] = Settings, kind: str = "configuration key") -> Iterator[str]:
    """A sentence for each thing that is wrong in a file that `model` describes; an unknown key comes with the nearest known one."""
    for problem in error.errors():
        place = [str(part + 1) if isinstance(part, int) else part for part in problem["loc"]]  # entries of lists count from 1
        key = ".".join(place)
        if problem["type"] == "extra_forbidden":
            near = difflib.get_close_matches(place[-1], _known(place[:-1], model), n=1, cutoff=0.5)
            hint = f"; did you mean {'.'.join([*place[:-1], near[0]])}?" if near else ""
            yield f"unknown {kind} {key}{hint}"
        else:
            said = problem["msg"].removeprefix("Value error, ")
            yield f"{kind} {key}: {said}" if key else said


def _known(path: list[str], model: type[BaseModel]) -> list[str]:
    """Keys of the section that a path leads to; numbers of list entries and names that users give are no keys."""
    for part in path:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        inner = (one for one in (annotation, *get_args(annotation)) if isinstance(one, type) and issubclass(one, BaseModel))
        model = next(inner, model)
    return list(model.model_fields)


def resolve_secret(name: str | None) -> str | None:
    """The value behind `env:NAME` or `file:/path`; never logged, never written. Raises UsageError when it is not there."""
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
