"""Images and actions: in Dockerfiles, compose files, manifests of Kubernetes and workflows."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from tests.cases import each
from tests.engines.dependencies.building import database, engine, record, scan
from veritensor_ray.engines.base import FileInfo
from veritensor_ray.engines.dependencies.advisory_model import Dependency, Item, Unparsable, Unread
from veritensor_ray.engines.dependencies.manifests import containers, named, parser_for, shell
from veritensor_ray.engines.dependencies.manifests.image_references import image

SHA = "11bd71901bbe5b1630ceea73d27597364c9af683"
DIGEST = "sha256:" + "0" * 64


def shown(items: list[Item]) -> list[str]:
    return [
        one.shown + one.specifier * bool(one.version) if isinstance(one, Dependency) else str(getattr(one, "reason", one)) for one in items
    ]


@each(
    ("text", "name", "version"),
    [
        ("python", "python", None),
        ("python:3.11-slim", "python", "3.11-slim"),
        ("python:latest", "python", "latest"),
        (f"python@{DIGEST}", "python", DIGEST),
        (f"python:3.11@{DIGEST}", "python", DIGEST),
        ("localhost:5000/team/app:1.0", "localhost:5000/team/app", "1.0"),
        ("ghcr.io/Owner/app", None, None),
        ("registry.example/library/my__app:v1", "registry.example/library/my__app", "v1"),
        ("scratch", None, None),
        ("$BASE", None, None),
        ("${{ matrix.image }}", None, None),
        ("{{ .Values.image }}:latest", None, None),
        ("./Dockerfile", None, None),
        ("a:b:c", None, None),
        ("", None, None),
        ("a/" * 100_000, None, None),
        ("a" * 401, None, None),
    ],
)
def test_references(text: str, name: str | None, version: str | None) -> None:
    found = image(text)
    assert (found.name, found.version) == (name, version) if found else name is None


DOCKERFILE = f"""\
# FROM commented
ARG VERSION=3.11
ARG BASE=python:${{VERSION}}-slim
ARG OTHER
FROM --platform=$BUILDPLATFORM golang:1.22 AS build
FROM $OTHER
FROM ${{BASE}} as run
FROM build
FROM --platform=linux/arm64 \\
  # a comment
  debian:12 \\
  as other
FROM other
FROM scratch
  from node@{DIGEST}
COPY --from=build /a /b
COPY --from=0 /a /b
COPY --chown=1 --from=nginx:latest /a /b
RUN --mount=type=bind,from=busybox,target=/x pip install requests==1.0
"""


def test_a_dockerfile() -> None:
    found = list(containers.parse_dockerfile(DOCKERFILE))
    assert shown(found) == [
        "golang==1.22",
        "python==3.11-slim",
        "debian==12",
        f"node=={DIGEST}",
        "nginx==latest",
        "busybox",
        "requests==1.0",
    ]
    assert [DOCKERFILE[one.start : one.end] for one in found if isinstance(one, Dependency)][1:5] == [
        "${BASE}",
        "debian:12",
        f"node@{DIGEST}",
        "nginx:latest",
    ]


@each(
    ("text", "images"),
    [
        ("COPY --link \\\n  --from=nginx:1 /a /b\n", ["nginx==1"]),
        ("COPY \\\n  # why\n  --chown=1 --from=nginx:1 \\\r\n /a /b\n", ["nginx==1"]),
        ("RUN --mount=type=cache,target=/c \\\n    --mount=type=bind,from=busybox:1,target=/x \\\n    make\n", ["busybox==1"]),
        ("RUN --mount=from=busybox:1,target=/x --mount=type=bind,from=alpine:3 make\n", ["busybox==1", "alpine==3"]),
        ("RUN --mount=type=bind,\\\nfrom=busybox:1,target=/x make\n", ["busybox==1"]),
        ("RUN --mount=type=bind,\\\n  from=busybox:1 make\n", []),
        ('RUN --mount="type=bind,from=busybox:1" make\n', ["busybox==1"]),
        ("FROM alpine:3 AS one\nCOPY \\\n--from=one /a /b\nADD --from=0 /a /b\n", ["alpine==3"]),
        ("COPY /a /b --from=nginx:1\n", []),
        ("RUN echo ,from=nginx:1\n", []),
        ("RUN make \\\n  --from=nginx:1\n", []),
    ],
)
def test_flags_on_continued_lines(text: str, images: list[str]) -> None:
    found = list(containers.parse_dockerfile(text))
    assert shown(found) == images
    assert all(text[one.start : one.end].startswith(one.name) for one in found if isinstance(one, Dependency))


def test_arguments_take_no_more_memory_than_a_name_has() -> None:
    text = f"ARG A={'x' * 200}\nFROM {'$A' * 1_000_000}\n"
    tracemalloc.start()
    try:
        assert list(containers.parse_dockerfile(text)) == []
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


COMPOSE = """\
services:
  db:
    image: postgres:16
  web:
    build: .
    image: our-web
  cache:
    image: redis
  twice:
    image: "redis"
  filled:
    image: ${IMAGE}:latest
x-image: {image: not-a-service}
"""
KUBERNETES = """\
apiVersion: apps/v1
kind: Deployment
spec:
  template:
    spec:
      initContainers:
      - image: busybox
        name: first
      containers:
      - name: web
        image: nginx:latest
      volumes: [{name: a, image: {reference: x}}]
---
apiVersion: v1
kind: Pod
spec: {containers: [{image: 'ghcr.io/a/b:1.0'}]}
---
image: not-of-kubernetes
"""
GITHUB = f"""\
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    container: python:3.11
    services:
      db:
        image: postgres
    steps:
    - uses: actions/checkout@v4.1.1
    - uses: Actions/Checkout@v4
    - uses: actions/cache@{SHA} # v4.0.2
    - uses: actions/setup-go@{SHA}
    - uses: ./local
    - uses: docker://alpine:latest
    - uses: github/codeql-action/init@main
    - run: pip install x
  b:
    uses: owner/repo/.github/workflows/w.yml@master
"""
GITLAB = """\
image:
  name: ruby
services: [postgres:16, "docker:dind"]
test:
  image: $CI_REGISTRY_IMAGE
  script: ["true"]
"""


@each(
    ("path", "text", "expected"),
    [
        ("compose.yaml", COMPOSE, ["postgres==16", "redis", "redis"]),
        ("docker-compose.prod.yml", COMPOSE, ["postgres==16", "redis", "redis"]),
        ("deploy/web-deployment.yaml", KUBERNETES, ["busybox", "nginx==latest", "ghcr.io/a/b==1.0"]),
        ("k8s/overlays/x.yml", KUBERNETES, ["busybox", "nginx==latest", "ghcr.io/a/b==1.0"]),
        ("a.zip!/kubernetes/x.yaml", KUBERNETES, ["busybox", "nginx==latest", "ghcr.io/a/b==1.0"]),
        ("k8s/x.yml", "a: [", []),
        ("k8s/values.yml", "image: nginx\n", []),
        (
            "x/.github/workflows/ci.yml",
            GITHUB,
            [
                "python==3.11",
                "postgres",
                "actions/checkout==4.1.1@v4.1.1",
                "Actions/Checkout@v4",
                f"actions/cache==4.0.2@{SHA}",
                f"actions/setup-go@{SHA}",
                "alpine==latest",
                "github/codeql-action@main",
                "owner/repo@master",
            ],
        ),
        ("action.yml", "runs:\n  using: docker\n  image: Dockerfile\n", []),
        ("action.yml", "runs:\n  using: docker\n  image: docker://alpine:3\n", ["alpine==3"]),
        (".gitlab-ci.yml", GITLAB, ["ruby", "postgres==16", "docker==dind"]),
        (".circleci/config.yml", "jobs: {a: {docker: [{image: 'cimg/python:3.11'}]}}", ["cimg/python==3.11"]),
        ("bitbucket-pipelines.yml", "image: node:18\n", ["node==18"]),
        ("azure-pipelines.yml", "resources: {containers: [{container: own, image: 'ubuntu:20.04'}]}", ["ubuntu==20.04"]),
        ("notes/image.yaml", KUBERNETES, None),
        ("workflows/ci.yml", GITHUB, None),
    ],
)
def test_yaml_files(path: str, text: str, expected: list[str] | None) -> None:
    parser = parser_for(FileInfo(path, None, "text/plain"))
    assert (None if parser is None else shown(list(parser(text)))) == expected


def test_names_of_dockerfiles_and_scripts() -> None:
    assert {name: named(name) for name in ("Dockerfile", "web.Dockerfile", "Containerfile.gpu", "a.sh", "image.yaml")} == {
        "Dockerfile": containers.parse_dockerfile,
        "web.Dockerfile": containers.parse_dockerfile,
        "Containerfile.gpu": containers.parse_dockerfile,
        "a.sh": shell.parse,
        "image.yaml": None,
    }


def test_a_template_of_helm_is_told() -> None:
    [unread] = containers.parse_kubernetes("apiVersion: v1\nkind: Pod\nimage: {{ .Values.image }}\n")
    assert isinstance(unread, Unread)
    assert unread.reason == "it is a template, and templates are not filled in"


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (containers.parse_workflow, "a: ["),
        (containers.parse_compose, "\x01"),
        (containers.parse_workflow, "[" * 100_000),
        (containers.parse_workflow, "a: " * 2_000_000),
    ],
)
def test_what_is_no_yaml(parse: object, text: str) -> None:
    assert callable(parse)
    with pytest.raises(Unparsable):
        list(parse(text))


def test_a_file_that_repeats_itself_endlessly_ends() -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 100)}]\n" for n in range(1, 7))
    *_, last = containers.parse_workflow(f"l0: &l0 {{image: nginx}}\n{levels}")
    assert isinstance(last, Unread)


ACTIONS = [
    record(
        "GHSA-mrrh-fwg8-r2c3",
        "tj-actions/changed-files",
        [{"introduced": "0"}, {"fixed": "46.0.1"}],
        ecosystem="GitHub Actions",
        aliases=["CVE-2025-30066"],
    ),
]


def found(tmp_path: Path, path: str, text: str) -> list[tuple[str, str, str]]:
    made = engine(database=str(database(tmp_path, *ACTIONS)))
    return [(hit.rule.removeprefix("dependencies."), hit.evidence or "", text[hit.start : hit.end]) for hit in scan(made, path, text)[0]]


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("Dockerfile", "FROM python\n", [("mutable-reference", "python", "python")]),
        ("Dockerfile", "FROM python:latest\n", [("mutable-reference", "python:latest", "python:latest")]),
        ("Dockerfile", f"FROM python:3.11\nFROM python@{DIGEST}\nFROM quay.io/a/b:1\n", []),
        ("compose.yml", "services: {a: {image: redis}}", [("mutable-reference", "redis", "redis")]),
        (
            ".github/workflows/a.yml",
            "steps: [uses: actions/checkout@main]",
            [("mutable-reference", "actions/checkout@main", "actions/checkout@main")],
        ),
        (".github/workflows/a.yml", f"steps:\n- uses: actions/checkout@v4\n- uses: actions/cache@{SHA}\n", []),
        (
            ".github/workflows/a.yml",
            "steps: [uses: TJ-actions/changed-files@v45.0.7]",
            [("known-vulnerability", "TJ-actions/changed-files==45.0.7 CVE-2025-30066", "TJ-actions/changed-files@v45.0.7")],
        ),
        (
            ".github/workflows/a.yml",
            f"steps:\n- uses: tj-actions/changed-files@{SHA} # v45.0.7\n",
            [("known-vulnerability", "tj-actions/changed-files==45.0.7 CVE-2025-30066", f"tj-actions/changed-files@{SHA}")],
        ),
        (".github/workflows/a.yml", "steps: [uses: tj-actions/changed-files@v46.0.1]", []),
    ],
)
def test_findings(tmp_path: Path, path: str, text: str, expected: list[tuple[str, str, str]]) -> None:
    assert found(tmp_path, path, text) == expected


def test_images_are_not_looked_up_and_actions_need_their_archive(tmp_path: Path) -> None:
    made = engine(database=str(database(tmp_path)))
    assert scan(made, "Dockerfile", "FROM python:3.11\n") == ([], [])
    _, [gap] = scan(made, ".github/workflows/a.yml", "steps: [uses: actions/checkout@v4.1.1]")
    assert gap.reason.startswith("the advisory database has no records for GitHub Actions")
    [hit], _ = scan(made, "Dockerfile", "FROM python\n")
    assert hit.message == "python has neither a tag nor a digest, so its content may change"
