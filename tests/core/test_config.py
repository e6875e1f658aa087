"""Configuration: layers, sections, names that are nearly right, secrets that are only named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from veritensor_ray.core.config import Settings, load_settings, resolve_secret
from veritensor_ray.core.errors import UsageError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory without a veritensor-ray.yaml."""
    monkeypatch.chdir(tmp_path)


def load(yaml: str = "", environ: dict[str, str] | None = None, flags: dict[str, Any] | None = None) -> Settings:
    file = Path("run.yaml")
    file.write_text(yaml, encoding="utf-8")
    return load_settings(str(file), flags, environ or {})


def value(settings: Settings, path: str) -> Any:
    found: Any = settings
    for part in path.split("."):
        found = getattr(found, part)
    return found


def refusal(yaml: str = "", environ: dict[str, str] | None = None, flags: dict[str, Any] | None = None) -> str:
    with pytest.raises(UsageError) as error:
        load(yaml, environ, flags)
    assert error.value.exit_code == 2
    return str(error.value)


@pytest.mark.parametrize(
    ("yaml", "environ", "flags", "expected"),
    [
        ("", {}, {}, "embedded"),
        ("profile: standard", {}, {}, "standard"),
        ("profile: standard", {"VERITENSOR_PROFILE": "embedded"}, {}, "embedded"),
        ("profile: embedded", {"VERITENSOR_PROFILE": "embedded"}, {"profile": "standard"}, "standard"),
        ("profile: standard", {}, {"profile": None}, "standard"),  # a flag that was not given
        ("", {"PROFILE": "standard"}, {}, "embedded"),  # not our prefix
    ],
)
def test_flags_go_before_environment_before_file(yaml: str, environ: dict[str, str], flags: dict[str, Any], expected: str) -> None:
    assert load(yaml, environ, flags).profile == expected


def test_layers_merge_inside_a_section() -> None:
    settings = load("limits: {batch_rows: 7, json_depth: 8}", {"VERITENSOR_LIMITS__JSON_DEPTH": "9"}, {"limits": {"image_pixels": 10}})
    limits = settings.limits
    assert (limits.batch_rows, limits.json_depth, limits.image_pixels, limits.overlap_chars) == (7, 9, 10, 1024)


@pytest.mark.parametrize(
    ("yaml", "environ", "path", "expected"),
    [
        ("limits: {batch_bytes: 16MB}", {}, "limits.batch_bytes", 16_000_000),
        ("limits: {batch_bytes: 16MiB}", {}, "limits.batch_bytes", 16_777_216),
        ("limits: {batch_bytes: 123}", {}, "limits.batch_bytes", 123),
        ("max_size: 1.5 GB", {}, "max_size", 1_500_000_000),
        ("", {"VERITENSOR_MAX_SIZE": "2GB"}, "max_size", 2_000_000_000),
        ("", {"VERITENSOR_LIMITS__WORKER_MEMORY": "4GB"}, "limits.worker_memory", 4_000_000_000),
        ("engines: [signatures, injection]", {}, "engines", ["signatures", "injection"]),
        ("engines: signatures, injection,", {}, "engines", ["signatures", "injection"]),
        ("", {"VERITENSOR_ENGINES": "signatures, injection"}, "engines", ["signatures", "injection"]),
        ("", {"VERITENSOR_SOURCES": "s3://a,/b"}, "sources", ["s3://a", "/b"]),
        ("", {"VERITENSOR_EXCLUDE": ""}, "exclude", []),
        ("", {"VERITENSOR_ALLOW_PARTIAL": "true"}, "allow_partial", True),
        ("", {"VERITENSOR_INJECTION__HIGH": "0.97"}, "injection.high", 0.97),
        ("injection: {mix: [0.9, 0.2, -1]}", {}, "injection.mix", (0.9, 0.2, -1.0)),
        ("", {"VERITENSOR_INJECTION__MIX": "0.9, 0.2, -1"}, "injection.mix", (0.9, 0.2, -1.0)),
        ("sample: 100", {}, "sample", "100"),
        ("sample: 2.5%", {}, "sample", "2.5%"),
        ("since: 2026-01-31", {}, "since", "2026-01-31"),
        ("since: 2026-01-31 12:00:00", {}, "since", "2026-01-31 12:00:00"),
        ("since: 7d", {}, "since", "7d"),
        ("site_key: env:KEY", {}, "site_key", "env:KEY"),
        ("site_key: file:/run/secrets/a key", {}, "site_key", "file:/run/secrets/a key"),
        ("# nothing but a comment", {}, "job", "audit"),
    ],
)
def test_values(yaml: str, environ: dict[str, str], path: str, expected: Any) -> None:
    assert value(load(yaml, environ), path) == expected


@pytest.mark.parametrize(
    ("yaml", "environ", "message"),
    [
        ("profil: standard", {}, "unknown configuration key profil; did you mean profile?"),
        ("", {"VERITENSOR_PROFIL": "standard"}, "unknown configuration key profil; did you mean profile?"),
        ("limits: {batch_byte: 1}", {}, "unknown configuration key limits.batch_byte; did you mean limits.batch_bytes?"),
        ("", {"VERITENSOR_LIMITS__BATCH_ROW": "1"}, "unknown configuration key limits.batch_row; did you mean limits.batch_rows?"),
        ("stores: {'s3://a': {endpont: x}}", {}, "unknown configuration key stores.s3://a.endpont; did you mean stores.s3://a.endpoint?"),
        ("zzzzqqq: 1", {}, "unknown configuration key zzzzqqq"),
        ("profile: big", {}, "configuration key profile: Input should be 'embedded' or 'standard'"),
        ("limits: {batch_rows: 0}", {}, "configuration key limits.batch_rows: Input should be greater than or equal to 1"),
        ("limits: {batch_bytes: big}", {}, "configuration key limits.batch_bytes: could not parse value and unit from byte string"),
        ("sample: some", {}, "configuration key sample: "),
        ("injection: {high: 1.5}", {}, "configuration key injection.high: Input should be less than 1"),
        ("injection: {mix: [-1, 0.2, 0]}", {}, "configuration key injection.mix.1: Input should be greater than or equal to 0"),
        ("injection: {mix: [1, 0.2]}", {}, "configuration key injection.mix"),
        ("limits: 5", {}, "configuration key limits: "),
        ("fail_on: bad", {}, "configuration key fail_on: "),
        ("sweep: {every: }", {}, "configuration key sweep.every: "),
        ("sweep: {every: 0}", {}, "configuration key sweep.every: "),
        ("notify: {url: 'ftp://x'}", {}, "configuration key notify.url: "),
    ],
)
def test_refusals_name_the_key(yaml: str, environ: dict[str, str], message: str) -> None:
    assert refusal(yaml, environ).startswith(message)


def test_every_wrong_key_is_named_at_once() -> None:
    assert refusal("profil: x\nlimits: {rows: 1}\njob: dance").count("\n") == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1", "configuration file run.yaml: "),
        (b"- a\n- b", "the top level must be a mapping"),
        (b"just words", "the top level must be a mapping"),
        (b"\xff\xfe\x00", "configuration file run.yaml: "),
        (b"!!python/object/apply:os.system ['true']", "configuration file run.yaml: "),
    ],
)
def test_a_file_that_is_no_configuration(content: bytes, message: str) -> None:
    Path("run.yaml").write_bytes(content)
    with pytest.raises(UsageError) as error:
        load_settings("run.yaml", environ={})
    assert message in str(error.value)


def test_a_named_file_has_to_be_there_and_the_usual_one_is_read_by_itself() -> None:
    with pytest.raises(UsageError, match=r"configuration file none\.yaml does not exist"):
        load_settings("none.yaml", environ={})
    assert load_settings(environ={}).job == "audit"
    Path("veritensor-ray.yaml").write_text("job: sweep", encoding="utf-8")
    assert load_settings(environ={}).job == "sweep"


def test_stores_are_prefixes_with_named_secrets() -> None:
    settings = load("stores: {'s3://a/': {endpoint: 'http://minio:9000', path_style: true, key: 'env:KEY', secret: 'file:/run/secret'}}")
    store = settings.stores["s3://a/"]
    assert (store.endpoint, store.path_style, store.key, store.secret) == ("http://minio:9000", True, "env:KEY", "file:/run/secret")


@pytest.mark.parametrize("secret", ["hunter2hunter2", "env:", "file:", "env:A B", "ENV:KEY", "12345678"])
@pytest.mark.parametrize("place", ["site_key: {}", "stores: {{'s3://a': {{secret: {}}}}}", "stores: {{'s3://a': {{token: {}}}}}"])
def test_written_down_secrets_are_refused_and_not_repeated(place: str, secret: str) -> None:
    message = refusal(place.format(f"'{secret}'"))
    assert "use env:NAME or file:/path" in message
    assert secret not in message.replace("use env:NAME or file:/path", "")


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().profile = "standard"  # type: ignore[misc]  # what is tried here


def test_digest_covers_the_named_fields_only() -> None:
    one, two = load("profile: embedded"), load("profile: standard")
    assert one.digest("profile") != two.digest("profile")
    assert one.digest("limits") == two.digest("limits")
    assert one.digest("profile", "limits") == one.digest("limits", "profile")


def test_secrets_resolve_where_they_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "from the environment")
    (tmp_path / "key").write_text("from a file\n", encoding="utf-8")
    (tmp_path / "random").write_bytes(b"\xff\xfe\x80")
    monkeypatch.delenv("B_KEY", raising=False)
    assert resolve_secret(None) is None
    assert resolve_secret("env:A_KEY") == "from the environment"
    assert resolve_secret(f"file:{tmp_path}/key") == "from a file"
    for name, reason in (
        ("env:B_KEY", "env:B_KEY is not set"),
        (f"file:{tmp_path}/none", "No such file"),
        (f"file:{tmp_path}/random", "is not text"),
    ):
        with pytest.raises(UsageError, match=reason):
            resolve_secret(name)


@pytest.mark.parametrize(
    ("sources", "refused"),
    [
        (["."], True),
        (["*.md"], True),
        (["a.md", "b.md"], True),  # what a shell makes of *.md
        (["corpus"], True),  # whoever packed the folder may have packed the file beside it
        (["corpus/*.md"], True),
        (["corpus/../corpus/a.md"], True),
        (["/elsewhere", "../here"], True),
        (["veritensor-ray.yaml"], True),
        ([".."], True),
        (["local://{here}"], True),
        (["file://{here}/a.md"], True),
        (["~/here"], True),
        (["~/to-here"], True),  # a link
        (["/"], True),
        (["../there"], False),
        (["~/there/*"], False),
        (["s3://bucket/here"], False),
        ([], False),
    ],
)
def test_a_file_that_nobody_named_stands_apart_from_the_corpus(
    sources: list[str], refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever put a file into the corpus would say what is scanned of it."""
    for name in ("here/corpus", "there"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "to-here").symlink_to("here")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path / "here")
    Path("veritensor-ray.yaml").write_text("exclude: ['*']\n")
    flags = {"sources": [source.format(here=tmp_path / "here") for source in sources]}
    if refused:
        with pytest.raises(
            UsageError, match=r"veritensor-ray.yaml in the working directory is used only if you name it: .* Name it with --config"
        ):
            load_settings(None, flags, {})
    else:
        found = load_settings(None, flags, {})
        assert (found.exclude, found.found) == (["*"], str(tmp_path / "here" / "veritensor-ray.yaml"))
    named = load_settings("veritensor-ray.yaml", flags, {})
    assert (named.exclude, named.found) == (["*"], None), "named, it is the user's"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("notify: {command: touch /tmp/x}", "notify.command"),
        ("plugins: ['evil:Engine']", "plugins"),
        ("plugin_folder: plugins", "plugin_folder"),
        ("trusted_keys: mine.json", "trusted_keys"),
    ],
)
def test_what_is_run_or_believed_comes_from_a_file_that_is_named(text: str, key: str) -> None:
    Path("veritensor-ray.yaml").write_text(text)
    with pytest.raises(UsageError, match=rf"sets {key}, which is only allowed in a file that you name: give --config veritensor-ray.yaml"):
        load_settings(None, {}, {})
    load_settings("veritensor-ray.yaml", {}, {})


def test_with_links_no_file_is_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link below a source may lead to the folder where somebody works."""
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    flags = {"sources": [str(tmp_path / "there")]}
    for text, given in (("engines: [signatures]", flags | {"follow_links": True}), ("follow_links: true", flags)):
        Path("veritensor-ray.yaml").write_text(text)
        with pytest.raises(UsageError, match=r"links of the corpus .* may lead there, so it may not be yours. Name it with --config"):
            load_settings(None, given, {})
    assert load_settings(None, {"sources": ["s3://bucket"]}, {}).follow_links


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "large"])
def test_a_file_that_is_none_is_not_opened(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    if kind == "pipe":
        os.mkfifo("veritensor-ray.yaml")
    elif kind == "device":
        Path("veritensor-ray.yaml").symlink_to("/dev/zero")
    elif kind == "folder":
        Path("veritensor-ray.yaml").mkdir()
    else:
        Path("veritensor-ray.yaml").write_bytes(b"#" * (5 << 20))
    with pytest.raises(UsageError, match="Name it with --config"):
        load_settings(None, {"sources": ["."]}, {})
    with pytest.raises(UsageError, match="Name it with --config"):
        load_settings(None, {}, {"VERITENSOR_SOURCES": "/elsewhere,."})
    with pytest.raises(UsageError, match="is not a regular file of at most 4 MiB"):
        load_settings(None, {"sources": ["../there"]}, {})


def test_a_mistake_is_told_without_the_lines_of_the_file() -> None:
    """The file may be a link to another one."""
    Path("veritensor-ray.yaml").write_text("[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE: x: y\n")
    with pytest.raises(UsageError, match=r"^configuration file veritensor-ray\.yaml: line 2: ") as caught:
        load_settings(None, {}, {})
    assert "AKIA" not in str(caught.value)
