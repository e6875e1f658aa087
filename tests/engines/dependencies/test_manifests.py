"""Each format: what is in it, where it stands, what is not understood; and nothing but answers from broken files."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cases import each
from tests.clock import AtMost
from veritensor_ray.core.detection import FileInfo
from veritensor_ray.engines.dependencies.advisory_model import Dependency, Index, Item, Unparsable, Unread
from veritensor_ray.engines.dependencies.manifests import locks, named, parser_for

REQUIREMENTS = r"""# a comment
requests==2.19.0
Django[argon2,bcrypt] == 3.2.1 ; python_version >= "3.8"  # why
numpy>=1.20,<2
torch==2.0.1+cu118
exact===1.0
star==1.*
urllib3==1.26.5 \
    --hash=sha256:aaaa \
    --hash=sha256:bbbb
flask \
  == 1.0
-r other-requirements.txt
-r ../secret/requirements.txt
-c https://example.test/constraints.txt
--extra-index-url https://user:pw@index.example.test/simple
--index-url https://mirror.example.test/simple
-i http://plain.example.test/simple
--find-links=wheels
-e git+https://git.example.test/a/b.git@main#egg=editable-one
-e .
pip-thing @ https://example.test/pip_thing-1.0-py3-none-any.whl
https://example.test/some_wheel-1.2.3-py3-none-any.whl
./local/pkg
dist/local_file-3.1.tar.gz
--frobnicate yes
this is no requirement
{{ cookiecutter.name }}
"""

PYPROJECT = """
[build-system]
requires = ["setuptools>=77", "wheel==0.40"]
[project]
name = "x"
dependencies = ["requests==2.19.0", "numpy>=1", "???"]
[project.optional-dependencies]
dev = ["pytest==7.0"]
[dependency-groups]
lint = ["ruff==0.1.0", {include-group = "dev"}]
[tool.poetry.dependencies]
python = "^3.11"
flask = "1.0"
click = "^8"
jinja2 = {version = "==3.0.0", extras = ["i18n"]}
lib = {git = "https://git.example.test/lib.git"}
multi = [{version = "1.0", python = "<3.8"}, {version = "2.0", python = ">=3.8"}]
[tool.poetry.group.test.dependencies]
tox = "4.0"
[[tool.poetry.source]]
name = "internal"
url = "https://internal.example.test/simple"
priority = "supplemental"
[tool.uv]
extra-index-url = ["https://second.example.test/simple"]
[tool.uv.sources]
torch = {index = "pytorch"}
other = {git = "https://git.example.test/other.git"}
"""

PIPFILE = """
[[source]]
url = "https://first.example.test/simple"
[[source]]
url = "http://second.example.test/simple"
[packages]
requests = "==2.19.0"
flask = "*"
[dev-packages]
pytest = {version = "==7.0"}
"""

PIPFILE_LOCK = {
    "_meta": {"sources": [{"url": "https://a.example.test"}, {"url": "https://b.example.test"}]},
    "default": {"requests": {"version": "==2.19.0", "hashes": []}, "mine": {"path": "."}},
    "develop": {"pytest": {"version": "==7.0"}, "lib": {"git": "https://git.example.test/lib.git", "ref": "x"}},
}

POETRY_LOCK = """
[[package]]
name = "requests"
version = "2.19.0"
description = "flask and requests"
[package.dependencies]
flask = ">=1"

[[package]]
name = "flask"
version = "1.0"

[[package]]
name = "lib"
version = "0.1"

[package.source]
type = "git"
url = "https://git.example.test/lib.git"
reference = "main"

[[package]]
name = "second"
version = "0.2"

[package.source]
type = "legacy"
url = "https://index.example.test/simple"

[[package]]
name = "folder"
version = "0.3"

[package.source]
type = "directory"
url = "../folder"
"""

UV_LOCK = """
version = 1

[[package]]
name = "me"
version = "0.1.0"
source = { editable = "." }

[[package]]
name = "requests"
version = "2.19.0"
source = { registry = "https://one.example.test/simple" }
dependencies = [
    { name = "flask" },
]

[[package]]
name = "flask"
version = "1.0"
source = { registry = "https://two.example.test/simple" }

[[package]]
name = "lib"
version = "0.1"
source = { git = "https://git.example.test/lib.git?rev=1" }
"""

PDM_LOCK = """
[[package]]
name = "requests"
version = "2.19.0"

[[package]]
name = "mine"
version = "1.0"
path = "./mine"
"""

PYLOCK = """
lock-version = "1.0"
[[packages]]
name = "requests"
version = "2.19.0"
index = "https://one.example.test/simple"
[[packages]]
name = "lib"
vcs = {type = "git", url = "https://git.example.test/lib.git", commit-id = "a"}
[[packages]]
name = "mine"
directory = {path = "."}
"""

CONDA = """
name: x
channels: [conda-forge]
dependencies:
  - python=3.11
  - numpy=1.21.0=py39_0
  - conda-forge::scipy>=1.5
  - pip:
      - requests==2.19.0
      - --extra-index-url https://index.example.test/simple
      - "not a requirement"
"""

PACKAGE = {
    "name": "app",
    "dependencies": {
        "lodash": "4.17.15",
        "@babel/core": "^7.0.0",
        "mine": "file:../mine",
        "alias": "npm:minimist@1.2.0",
        "scoped-alias": "npm:@types/node@18.0.0",
        "lib": "git+https://git.example.test/lib.git",
        "short": "someone/something#v1",
    },
    "devDependencies": {"jest": "v29.0.0"},
    "peerDependencies": {"react": "*"},
    "optionalDependencies": {"odd": 5},
}

LOCK_3 = {
    "lockfileVersion": 3,
    "packages": {
        "": {"name": "app", "dependencies": {"lodash": "1"}},
        "node_modules/lodash": {"version": "4.17.15", "resolved": "https://registry.example.test/lodash.tgz"},
        "node_modules/a/node_modules/@babel/core": {"version": "7.0.0"},
        "node_modules/renamed": {"name": "minimist", "version": "1.2.0"},
        "node_modules/linked": {"link": True, "resolved": "packages/linked"},
        "packages/linked": {"version": "1.0.0"},
        "node_modules/lib": {"version": "1.0.0", "resolved": "git+ssh://git@git.example.test/lib.git#1"},
    },
}

LOCK_1 = {
    "lockfileVersion": 1,
    "dependencies": {
        "lodash": {"version": "4.17.15", "dependencies": {"minimist": {"version": "1.2.0"}}},
        "alias": {"version": "npm:@types/node@18.0.0"},
    },
}

SCRIPT = """#!/bin/sh
# pip install commented-out
set -e; python3 -m pip install -q --no-cache-dir requests==2.19.0 "flask>=1.0" -r requirements.txt \\
    numpy==1.21.0 --extra-index-url https://index.example.test/simple && echo done installing
pip install $PACKAGE mylib=={VERSION}
uv pip install torch==2.0.1
RUN --mount=type=cache npm install -g --save-exact lodash@4.17.15 @babel/core ./local
echo you can pip install nothing here
yarn add react@18.0.0
"""


def pinned(*pairs: str) -> list[tuple[str, str | None]]:
    return [(name, version or None) for name, _, version in (pair.partition("==") for pair in pairs)]


CASES: list[tuple[str, str, list[str], int, int]] = [
    # name, content, dependencies in order, indexes, not understood
    (
        "requirements.txt",
        REQUIREMENTS,
        [
            "requests==2.19.0",
            "Django==3.2.1",
            "numpy",
            "torch==2.0.1+cu118",
            "exact==1.0",
            "star",
            "urllib3==1.26.5",
            "flask==1.0",
            "editable-one",
            "pip-thing",
            "some-wheel==1.2.3",
            "local-file==3.1",
        ],
        3,
        5,
    ),
    (
        "pyproject.toml",
        PYPROJECT,
        [
            "setuptools",
            "wheel==0.40",
            "requests==2.19.0",
            "numpy",
            "pytest==7.0",
            "ruff==0.1.0",
            "flask==1.0",
            "click",
            "jinja2==3.0.0",
            "lib",
            "multi==1.0",
            "multi==2.0",
            "tox==4.0",
            "other",
        ],
        2,
        1,
    ),
    ("Pipfile", PIPFILE, ["requests==2.19.0", "flask", "pytest==7.0"], 1, 0),
    ("Pipfile.lock", json.dumps(PIPFILE_LOCK, indent=4), ["requests==2.19.0", "pytest==7.0", "lib"], 1, 0),
    ("poetry.lock", POETRY_LOCK, ["requests==2.19.0", "flask==1.0", "lib==0.1", "second==0.2"], 0, 0),
    ("uv.lock", UV_LOCK, ["requests==2.19.0", "flask==1.0", "lib==0.1"], 1, 0),
    ("pdm.lock", PDM_LOCK, ["requests==2.19.0"], 0, 0),
    ("pylock.toml", PYLOCK, ["requests==2.19.0", "lib"], 0, 0),
    ("pylock.dev.toml", PYLOCK, ["requests==2.19.0", "lib"], 0, 0),
    ("environment.yml", CONDA, ["python==3.11", "numpy==1.21.0", "scipy", "requests==2.19.0"], 1, 1),
    (
        "package.json",
        json.dumps(PACKAGE, indent=2),
        ["lodash==4.17.15", "@babel/core", "minimist==1.2.0", "@types/node==18.0.0", "lib", "short", "jest==29.0.0", "react"],
        0,
        1,
    ),
    ("package-lock.json", json.dumps(LOCK_3), ["lodash==4.17.15", "@babel/core==7.0.0", "minimist==1.2.0", "lib==1.0.0"], 0, 0),
    ("npm-shrinkwrap.json", json.dumps(LOCK_1), ["lodash==4.17.15", "minimist==1.2.0", "@types/node==18.0.0"], 0, 0),
    (
        "setup.sh",
        SCRIPT,
        [
            "requests==2.19.0",
            "flask",
            "numpy==1.21.0",
            "torch==2.0.1",
            "lodash==4.17.15",
            "@babel/core",
            "react==18.0.0",
        ],
        1,
        0,
    ),
]


def items(name: str, text: str) -> list[Item]:
    parser = named(name)
    assert parser is not None
    return list(parser(text))


@each(("name", "content", "expected", "indexes", "unread"), CASES, ids=[case[0] for case in CASES])
def test_format(name: str, content: str, expected: list[str], indexes: int, unread: int) -> None:
    found = items(name, content)
    dependencies = [one for one in found if isinstance(one, Dependency)]
    assert [(one.name, one.version) for one in dependencies] == pinned(*expected)
    assert sum(isinstance(one, Index) for one in found) == indexes
    assert sum(isinstance(one, Unread) for one in found) == unread, [one for one in found if isinstance(one, Unread)]


@each(("name", "content"), [case[:2] for case in CASES], ids=[case[0] for case in CASES])
def test_every_name_has_its_place(name: str, content: str) -> None:
    aliases = {"minimist", "@types/node", "some-wheel", "local-file"}  # under another name, or another spelling
    for one in items(name, content):
        if isinstance(one, Dependency) and one.name not in aliases:
            assert content[one.start : one.end] == one.name


def test_a_name_stands_where_its_package_is_and_not_where_it_is_mentioned() -> None:
    flask = [one for one in items("poetry.lock", POETRY_LOCK) if isinstance(one, Dependency)][1]
    assert POETRY_LOCK.count("\n", 0, flask.start) + 1 == 10


def test_says_the_line_that_is_not_understood() -> None:
    unread = [one for one in items("requirements.txt", REQUIREMENTS) if isinstance(one, Unread)]
    assert [one.line for one in unread] == [14, 15, 26, 27, 28]
    assert unread[3].reason == "a requirement cannot be parsed"


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("pyproject.toml", '[project]\nname = "a"\ndependencies = [\n  "requests",\n  "no package",\n  "what else?"\n]\n', [5, 6]),
        ("Pipfile", '[packages]\nrequests = "*"\n"no package" = "*"\nflask = 7\n', [3, 4]),
        ("Pipfile.lock", '{"default": {\n"requests": {},\n"flask": 7}}', [3]),
        ("environment.yml", "dependencies:\n  - python\n  - '!!'\n  - pip:\n    - no package\n", [3, 5]),
        ("package.json", '{"dependencies": {\n"lodash": "1.0.0",\n"left-pad": 7}}', [3]),
        ("package-lock.json", '{"dependencies": {\n"lodash": {"version": "1.0.0"},\n"left-pad": 7}}', [3]),
    ],
)
def test_says_the_line_of_an_entry_that_is_not_understood(name: str, text: str, lines: list[int]) -> None:
    assert [one.line for one in items(name, text) if isinstance(one, Unread)] == lines


@each(
    ("path", "is_one"),
    [
        ("requirements.txt", True),
        ("a/b/requirements-dev.txt", True),
        ("dev-requirements.txt", True),
        ("requirements_test.in", True),
        ("constraints.txt", True),
        ("requirements/base.txt", True),
        ("a/requirements/base.txt", True),
        ("Requirements.TXT", True),
        ("a.zip!/requirements/x.txt", True),
        ("my-requirementsx.txt", False),
        ("notes.txt", False),
        ("pylock.toml", True),
        ("environment-gpu.yaml", True),
        ("conda.yml", True),
        ("Dockerfile", True),
        ("Dockerfile.gpu", True),
        ("worker.dockerfile", True),
        ("package.json", True),
        ("composer.json", False),
        ("Cargo.toml", False),
        ("a/Cargo.lock", True),
        ("yarn.lock", True),
        ("pnpm-lock.yaml", True),
        ("go.mod", True),
        ("go.sum", True),
        ("Gemfile.lock", True),
        ("composer.lock", True),
        ("packages.lock.json", True),
        ("buildscript-gradle.lockfile", True),
        ("pom.xml", True),
        ("log4j-core-2.14.1.pom", True),
        ("run.sh", True),
    ],
)
def test_is_a_manifest_by_name(path: str, is_one: bool) -> None:
    assert (parser_for(FileInfo(path, 1, "text/plain")) is not None) == is_one


@pytest.mark.parametrize("text", [POETRY_LOCK, UV_LOCK, PDM_LOCK], ids=["poetry", "uv", "pdm"])
def test_reading_by_lines_is_the_same_as_reading_toml(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = list(locks.parse_toml(text))
    monkeypatch.setattr(locks, "BIG", 0)
    assert locks._by_line(text) is not None
    assert list(locks.parse_toml(text)) == slow


@pytest.mark.parametrize(
    "text",
    [
        '[[package]]\nname = "a"\nversion = "1"\ndescription = """\n[[package]]\nname = "fake"\n"""\n',
        '[[package]]\nname = "a\\u0062"\nversion = "1"\n',
        '[[package]]\n\'name\' = "a"\nversion = "1"\n',
    ],
)
def test_what_lines_do_not_tell_is_left_to_the_parser(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "BIG", 0)
    assert len([one for one in locks.parse_toml(text) if isinstance(one, Dependency)]) == 1
    assert "fake" not in str(list(locks.parse_toml(text)))


@each(
    ("name", "text"),
    [
        ("pyproject.toml", "[project\n"),
        ("pyproject.toml", "a = " + "[" * 100_000),
        ("package.json", "{" * 100_000),
        ("package.json", "[]"),
        ("package-lock.json", '{"a": ' + "9" * 10_000 + "}"),
        ("Pipfile.lock", "null"),
        ("poetry.lock", "package = 3"),
        ("environment.yml", "[" * 100_000),
        ("environment.yml", "a: " + "x" * (5 << 20)),
        ("environment.yml", "\ud800"),
        ("requirements.txt", "PK\x03\x04\0\0"),
    ],
)
def test_says_what_cannot_be_read_at_all(name: str, text: str) -> None:
    with pytest.raises(Unparsable):
        items(name, text)


@pytest.mark.results
def test_aliases_do_not_multiply(at_most: AtMost) -> None:
    bomb = "a: &a [x==1, x==1]\n" + "".join(f"{c}: &{c} [*{p}, *{p}]\n" for p, c in zip("abcdefghijklm", "bcdefghijklmn", strict=False))
    with at_most(2):
        found = items("environment.yml", f"{bomb}dependencies: [*n, *n, {{pip: *n}}]\n")
        assert len(found) < 10
        assert all(isinstance(one, Unread) for one in found)


def test_a_tree_as_deep_as_json_goes_is_read_without_recursion() -> None:
    tree: dict[str, Any] = {"version": "1.0.0"}
    for number in range(400):
        tree = {"version": "1.0.0", "dependencies": {f"p{number}": tree}}
    found = items("package-lock.json", json.dumps({"dependencies": {"top": tree}}))
    assert sum(isinstance(one, Dependency) for one in found) == 200
    assert isinstance(found[-1], Unread)


def _survives(name: str, text: str) -> Iterator[Item]:
    try:
        for one in items(name, text):
            assert isinstance(one, Dependency | Index | Unread)
            if isinstance(one, Dependency):
                assert 0 <= one.start <= one.end <= len(text)
            yield one
    except Unparsable:
        return


@pytest.mark.parametrize(("name", "content"), [case[:2] for case in CASES], ids=[case[0] for case in CASES])
def test_truncated_and_flipped(name: str, content: str) -> None:
    random.seed(name)
    for cut in range(0, len(content), 7):
        list(_survives(name, content[:cut]))
    for _ in range(200):
        at = random.randrange(len(content))
        list(_survives(name, content[:at] + chr(random.choice((0, 34, 39, 91, 123, 92, 10, 45, 0x130, 0xD800))) + content[at + 1 :]))


@settings(max_examples=150)
@given(st.sampled_from([case[0] for case in CASES]), st.text(st.characters(codec=None), max_size=300))
def test_any_text(name: str, text: str) -> None:
    list(_survives(name, text))


@settings(max_examples=150)
@given(
    st.sampled_from(["package.json", "package-lock.json", "Pipfile.lock"]),
    st.dictionaries(
        st.sampled_from(["packages", "dependencies", "devDependencies", "default", "_meta", "node_modules/a"]),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.sampled_from(["npm:a@1.0.0", "1.0.0"]),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["node_modules/a", "version", "sources", "url", "name", "resolved", "dependencies", "x"]),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=12,
        ),
    ),
)
def test_any_json(name: str, document: dict[str, Any]) -> None:
    list(_survives(name, json.dumps(document)))


@pytest.mark.results
@pytest.mark.parametrize(
    "text",
    [
        "a\\\n" * 200_000,
        "a==1;" + "(" * 50_000,
        "-" * 300_000,
        "a[" + "b," * 100_000,
        "x " * 200_000,
        "pip install " + "a " * 100_000,
        '"' * 200_000,
        "a" + " " * 300_000,
        "a" * 300_000 + "==1",
        "a\t" + "-" * 300_000,
        "RUN " * 50_000,
        "pip -a=b " * 30_000,
    ],
)
@pytest.mark.parametrize("name", ["requirements.txt", "Dockerfile"])
def test_hostile_lines_take_no_time(name: str, text: str, at_most: AtMost) -> None:
    with at_most(5):
        list(_survives(name, text))


@pytest.mark.results
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", "a." * 500_000 + "a = 1"),
        ("pyproject.toml", "x = {" + '"a" . ' * 500_000 + "a = 1}"),
        ("pyproject.toml", "a" * 3_000_000),
        ("Pipfile", '[packages]\nx = "' + " " * 500_000 + '"'),
        ("package-lock.json", '{"packages": {"node_modules/a": {}, "x": "' + "node_modules/" * 100_000 + '"}}'),
        ("package-lock.json", '{"packages": {"' + "node_modules/" * 100_000 + 'a": {"version": "1.0.0"}}}'),
        ("package.json", '{"dependencies": {"a": "' + "v" * 500_000 + '"}}'),
        ("environment.yml", "dependencies: ['a" + " " * 500_000 + "']"),
        ("poetry.lock", "[[package]]\n" + "name = \n" * 300_000),
    ],
)
def test_hostile_documents_take_no_time(name: str, text: str, at_most: AtMost) -> None:
    with at_most(5):
        list(_survives(name, text))
