"""`config schema` and `config show`: the schema accepts what a run accepts, and every value names its source."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.cli.test_cli import call
from tests.deploy.manifests import DEPLOY, ROOT
from tests.docs.blocks import blocks
from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
from veritensor_ray.core.config import Section, Settings
from veritensor_ray.policy.policy_file import Policy

SCHEMAS = {
    "configuration": ("config", "schema"),
    "policy": ("config", "schema", "--policy"),
    "clean": ("config", "schema", "--clean"),
}
MODELS: dict[str, type[Section]] = {"configuration": Settings, "policy": Policy, "clean": CleanPolicy}
FILES = {"configuration": "veritensor-ray", "policy": "policy", "clean": "clean"}


@pytest.fixture(params=SCHEMAS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def printed(kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    assert call(monkeypatch, *SCHEMAS[kind]) == 0
    return capsys.readouterr().out


def schema_of(kind: str) -> dict[str, Any]:
    return MODELS[kind].json_schema(kind)


def sections(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield "", schema
    yield from ((name, section) for name, section in schema["$defs"].items() if "enum" not in section)


def test_the_schema_is_valid_and_closed_and_describes_every_key(printed: str) -> None:
    schema = json.loads(printed)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"].startswith("veritensor-ray ")
    for name, section in sections(schema):
        assert section["additionalProperties"] is False, name
        silent = [key for key, about in section["properties"].items() if not (about.get("description") or "$ref" in about)]
        assert silent == [], f"give these keys of {name} a description"


def test_the_copy_in_the_documentation_is_current(kind: str, printed: str) -> None:
    copy = ROOT / f"docs/assets/schema/{FILES[kind]}.schema.json"
    assert copy.read_text() == printed, f"run: veritensor-ray {' '.join(SCHEMAS[kind])} > {copy.relative_to(ROOT)}"


ACCEPTED = {
    "configuration": """
        {}
        {sources: /srv/corpus, engines: "signatures, pii"}
        {sources: [/srv/corpus], engines: null, fail_on: high, job: sweep}
        {limits: {expanded_bytes: 5GB, shard_bytes: 32000000}, max_size: 16MiB}
        {since: 7d, sample: 100, deadline: "06:00"}
        {since: 2026-01-31, sample: 1%, sweep: {every: 12h}, cluster: {wait_resources: 90}}
        {stores: {"s3://": {key: "env:A", secret: "file:/run/x", path_style: true}}, site_key: null}
        {resources: {model_actors: auto, model_gpus: 0.5}, notify: {url: "env:HOOK"}}
        {pii: {custom: [{name: badge, pattern: "B-[0-9]{6}", validator: luhn}], thresholds: {person: 0.7}}}
        {dependencies: {popular: {pypi: names.txt}, osv: {url: "https://osv.internal"}}}
    """,
    "policy": """
        {}
        {rules: , suppressions: }
        {required_engines: [pii], rules: [{path: "docs/*", severity: "off"}, {rule: "pii.*", min_confidence: 0.8, reason: noise}]}
        {suppressions: [{rule: "pii.*", path: /a.md, reason: reviewed, owner: me, expires: 2027-01-31, id: S-1}]}
        {suppressions: [{finding: a0000000000000000000000000000001, reason: x}, {fingerprint: [a0000000000000000000000000000001], reason: x}]}
    """,
    "clean": """
        {}
        {rules: , strip: }
        {level: high, unsupported: copy, unchecked: hold, pseudonym_key: "env:KEY"}
        {rules: [{rule: "pii.*", action: pseudonym, reason: wanted}, {view: hidden, action: strip}, {view: [hidden, ocr], action: drop-file}]}
        {rules: [{category: secret, path: "*.md", column: "*.key", severity: high, action: mask, keep_length: true}]}
        {names: pseudonym, convert: safetensors}
        {convert: [safetensors, office]}
        {strip: [hidden-text, {path: "*.docx", kinds: [macros, comments]}, metadata, {kinds: [notebook-outputs]}]}
    """,
}
REFUSED = {
    "configuration": """
        {enginess: [signatures]}
        {limits: {depth: 0}}
        {limits: {depht: 3}}
        {job: nightly}
        {fail_on: severe}
        {site_key: "0123456789abcdef0123456789abcdef"}
        {sweep: {every: soon}}
        {cluster: {wait_resources: 10 minutes}}
        {stores: {"s3://": {password: "env:A"}}}
        {pii: {custom: [{name: badge}]}}
    """,
    "policy": """
        {suppression: []}
        {suppressions: [{rule: "pii.*"}]}
        {suppressions: [{sha256: 00ff, reason: reviewed}]}
        {suppressions: [{finding: [], reason: reviewed}]}
        {suppressions: [{fingerprint: [a1], reason: reviewed}]}
        {rules: [{rule: x, severity: none}]}
    """,
    "clean": """
        {levels: high}
        {level: severe}
        {unsupported: drop}
        {pseudonym_key: "0123456789abcdef0123456789abcdef"}
        {rules: [{rule: x}]}
        {rules: [{rule: x, action: delete}]}
        {rules: [{view: unseen, action: strip}]}
        {rules: [{category: secrets, action: mask}]}
        {convert: [pdf]}
        {strip: [outputs]}
        {strip: [{path: x}]}
    """,
}


def documents(table: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(kind, line.strip()) for kind, lines in table.items() for line in lines.strip().splitlines()]


class Editor(yaml.SafeLoader):
    """YAML 1.2, as editors read it: dates are text, and `off` is a word."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # as in PyYAML
        first: [(tag, pattern) for tag, pattern in known if not tag.endswith((":timestamp", ":bool"))]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


Editor.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|false"), list("tf"))


def loaded(text: str) -> Any:
    return yaml.load(text, Loader=Editor)  # noqa: S506  # a SafeLoader


def valid(kind: str, text: str) -> bool:
    return bool(jsonschema.Draft202012Validator(schema_of(kind)).is_valid(loaded(text)))


@pytest.mark.parametrize(("kind", "text"), documents(ACCEPTED))
def test_what_a_run_accepts_is_valid(kind: str, text: str) -> None:
    MODELS[kind].model_validate(yaml.safe_load(text))
    assert valid(kind, text)


@pytest.mark.parametrize(("kind", "text"), documents(REFUSED))
def test_what_a_run_refuses_is_not_valid(kind: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        MODELS[kind].model_validate(yaml.safe_load(text))
    assert not valid(kind, text)


def test_the_examples_of_deploy_and_of_the_documentation_are_valid() -> None:
    settings = [(DEPLOY / "site/site.yaml").read_text(), *examples("configuration"), *examples("schedules")]
    policies = [(ROOT / "examples/policy.yaml").read_text(), *examples("policy")]
    assert len(settings) > 5
    assert len(policies) > 2
    assert [text for text in settings if not valid("configuration", text)] == []
    assert [text for text in policies if not valid("policy", text)] == []
    cleaning = examples("clean")
    assert cleaning != []
    assert [text for text in cleaning if not valid("clean", text)] == []


def examples(page: str) -> list[str]:
    """The YAML of a page, each block a whole file."""
    return [block.text for block in blocks(ROOT / f"docs/{page}.md") if block.info == "yaml"]


def test_a_line_for_editors_names_a_schema_that_exists() -> None:
    path = DEPLOY / "site/site.yaml"
    [name] = re.findall(r"yaml-language-server: \$schema=(\S+)", path.read_text())
    assert (path.parent / name).is_file()


def shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, dict[str, Any]]:
    assert call(monkeypatch, "config", "show", "--json", *arguments) == 0
    found: dict[str, dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def test_show_as_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.yaml").write_text("# mine\nengines: [signatures]\n")
    assert call(monkeypatch, "config", "show", "--config", "own.yaml") == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["engines", '["signatures"]', "own.yaml:2"] in rows
    assert ["profile", "embedded", "default"] in rows
    assert ["output", "not", "set", "default"] in rows


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("enginess: [signatures]", "unknown configuration key enginess; did you mean engines?"),
        ("site_key: hunter2", "secrets are referenced"),
    ],
)
def test_show_reports_mistakes_as_a_run_does(
    text: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.yaml").write_text(text)
    assert call(monkeypatch, "config", "show", "--config", str(tmp_path / "own.yaml")) == 2
    said = capsys.readouterr().err
    assert says in said
    assert "hunter2" not in said


def test_show_as_json_has_every_key_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    found = shown(monkeypatch, capsys)
    assert {"engines", "limits.depth", "dependencies.osv.url", "stores"} <= set(found)
    assert all(set(one) == {"value", "source"} for one in found.values())
