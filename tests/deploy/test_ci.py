"""The files for pipelines in deploy/ci: they are valid, run no text of others as a command, and end with the exit code of the audit."""

from __future__ import annotations

import importlib.resources
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer.main
import yaml

from tests.deploy.manifests import DEPLOY, ROOT
from veritensor_ray.cli import app
from veritensor_ray.exports import FORMATS

CI = DEPLOY / "ci"
BIN = Path(sys.executable).parent
FORMATS_OF_CI = ("sarif", "gitlab", "junit", "markdown")
EVIL = "x'; touch pwned; echo \"$(touch pwned)`touch pwned` ${{ x }}"


def loaded(name: str) -> Any:
    return yaml.safe_load((CI / name).read_text())


@pytest.mark.parametrize(
    ("name", "schema"),
    [("action.yml", "github-actions"), ("github-workflow.yml", "github-workflows"), ("gitlab-ci.yml", "gitlab-ci")],
)
def test_files_match_the_published_schemas(name: str, schema: str) -> None:
    text = importlib.resources.files("check_jsonschema").joinpath(f"builtin_schemas/vendor/{schema}.json").read_text("utf-8")
    published = json.loads(text)
    # YAML 1.1 reads the key `on` as true
    found = {("on" if key is True else key): value for key, value in loaded(name).items()}
    jsonschema.validators.validator_for(published)(published).validate(found)


@pytest.mark.parametrize(
    ("command", "path"), [("validate-manifest", ROOT / ".pre-commit-hooks.yaml"), ("validate-config", CI / "pre-commit-config.yaml")]
)
def test_files_for_pre_commit_are_valid(command: str, path: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [BIN / "pre-commit", command, path],
        env={**os.environ, "PRE_COMMIT_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_hook_of_the_repository_is_that_of_the_example() -> None:
    [manifest] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    [repository] = loaded("pre-commit-config.yaml")["repos"]
    [example] = repository["hooks"]
    assert {name: value for name, value in manifest.items() if name != "description"} == example
    assert example["args"][-1] == "--", "a file name may look like a flag"


def steps(flow: Any) -> list[dict[str, Any]]:
    found = flow["runs"]["steps"] if "runs" in flow else [step for job in flow["jobs"].values() for step in job["steps"]]
    return list(found)


def test_inputs_reach_commands_only_through_the_environment() -> None:
    action = loaded("action.yml")
    used = set()
    for step in steps(action):
        assert "uses" not in step, "it must work where no other action can be fetched"
        assert "${{" not in step["run"]
        used |= {name for value in step["env"].values() for name in re.findall(r"\$\{\{ inputs\.([\w-]+) \}\}", value)}
    assert used == set(action["inputs"])
    scripts = (CI / "install.sh").read_text() + (CI / "audit.sh").read_text()
    for name in (name for step in steps(action) for name in step["env"]):
        assert f"#   {name} " in scripts, f"describe {name} at the top of its script"
        assert f"${{{name}:" in scripts


def test_the_workflow_uses_inputs_that_exist_and_uploads_even_after_findings() -> None:
    _, audit, upload = steps(loaded("github-workflow.yml"))
    assert set(audit["with"]) <= set(loaded("action.yml")["inputs"])
    assert "!cancelled()" in upload["if"]
    assert upload["with"]["sarif_file"] == loaded("action.yml")["inputs"]["sarif"]["default"]


def test_the_gitlab_job_keeps_its_reports_even_after_findings() -> None:
    job = loaded("gitlab-ci.yml")["veritensor-ray"]
    exports = dict(line.split("=") for line in job["variables"]["AUDIT_EXPORTS"].split())
    assert job["artifacts"]["when"] == "always"
    assert set(job["artifacts"]["reports"].values()) == set(exports.values())
    assert not [name for name in job["variables"] if name.startswith("VERITENSOR_")], "such a variable would be a setting"


def fake(folder: Path, code: int, export_code: int = 0) -> Path:
    """A `veritensor-ray` that notes its arguments, one line of JSON a call, and ends with a code."""
    program = folder / "bin" / "veritensor-ray"
    program.parent.mkdir()
    program.write_text(
        f"""#!{sys.executable}
import json, sys
with open({str(folder / "calls")!r}, "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
if sys.argv[1] == "findings":
    print("exported", sys.argv[2])
    sys.exit({export_code})
sys.exit({code})
"""
    )
    program.chmod(0o755)
    return program.parent


def audited(folder: Path, environ: dict[str, str], code: int = 0, export_code: int = 0) -> tuple[int, list[list[str]]]:
    path = f"{fake(folder, code, export_code)}:{os.environ['PATH']}"
    work = folder / "work"
    work.mkdir()
    done = subprocess.run(
        ["bash", CI / "audit.sh"],
        env={"PATH": path, "TMPDIR": str(folder), **environ},
        cwd=work,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, [json.loads(line) for line in (folder / "calls").read_text().splitlines()]


def parsed(call: list[str]) -> dict[str, Any]:
    """The arguments as the real command understands them. Raises for a flag that it does not have."""
    command: Any = typer.main.get_command(app)
    context = command.commands[call[0]].make_context(call[0], call[1:])
    return {name: value for name, value in context.params.items() if value is not None}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, {"source": ["."], "exclude": [".git/*"]}),
        ({"AUDIT_PATH": "docs\n\ndata set\n"}, {"source": ["docs", "data set"]}),
        ({"AUDIT_ENGINES": "signatures,pii", "AUDIT_FAIL_ON": "low"}, {"engines": ["signatures", "pii"], "fail_on": "low"}),
        ({"AUDIT_CONFIG": "ci.yaml", "AUDIT_POLICY": "policy.yaml"}, {"config": "ci.yaml", "policy": "policy.yaml"}),
        ({"AUDIT_PATH": EVIL, "AUDIT_CONFIG": EVIL}, {"source": [EVIL], "config": EVIL}),
        ({"AUDIT_PATH": "--help", "AUDIT_FAIL_ON": "--fresh"}, {"source": ["--help"], "fail_on": "--fresh"}),
        ({"AUDIT_ENGINES": EVIL, "AUDIT_POLICY": "$(id)"}, {"engines": [EVIL], "policy": "$(id)"}),
    ],
)
def test_settings_become_arguments_and_nothing_else(environ: dict[str, str], expected: dict[str, Any], tmp_path: Path) -> None:
    code, [submit] = audited(tmp_path, environ)
    found = parsed(submit)
    assert code == 0
    assert {name: found[name] for name in expected} == expected
    assert bool(found.get("exclude")) is ("AUDIT_CONFIG" not in environ), "a flag would replace the list of the configuration"
    assert not [*tmp_path.rglob("pwned")]


@pytest.mark.parametrize(("code", "exported"), [(0, True), (1, True), (3, True), (2, False), (4, False), (130, False)])
def test_the_exit_code_is_that_of_the_audit(code: int, exported: bool, tmp_path: Path) -> None:
    """Findings and an incomplete audit are exported; a run that did not take place has nothing to export."""
    outputs, summary = tmp_path / "outputs", tmp_path / "summary"
    found, calls = audited(
        tmp_path,
        {
            "AUDIT_OUTPUT": "out",
            "AUDIT_EXPORTS": "sarif=a b.sarif\njunit=c.xml\n",
            "GITHUB_OUTPUT": str(outputs),
            "GITHUB_STEP_SUMMARY": str(summary),
        },
        code,
    )
    assert found == code
    assert outputs.read_text() == f"exit-code={code}\n"
    formats = [parsed(call)["format"] for call in calls[1:]]
    assert formats == (["sarif", "junit", "markdown"] if exported else [])
    assert {parsed(call)["output"] for call in calls} == {"out"}
    files = {path.name: path.read_text() for path in (tmp_path / "work").iterdir()}
    assert files == ({"a b.sarif": "exported --format=sarif\n", "c.xml": "exported --format=junit\n"} if exported else {})


def test_a_failed_export_leaves_no_file_and_fails(tmp_path: Path) -> None:
    code, _ = audited(tmp_path, {"AUDIT_EXPORTS": "sarif=x.sarif"}, export_code=4)
    assert code == 4
    assert [*(tmp_path / "work").iterdir()] == []
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["calls"], "temporary files are removed"


@pytest.mark.skipif(not set(FORMATS_OF_CI) <= set(FORMATS), reason="these formats are not there yet")
def test_the_formats_exist() -> None:
    """Those that the scripts and examples name."""
    text = "".join(path.read_text() for path in CI.iterdir())
    named = set(re.findall(r"\b(sarif|gitlab|junit|markdown)=|--format=(\w+)", text))
    assert {name for pair in named for name in pair if name} == set(FORMATS_OF_CI)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"INSTALL_WHEELHOUSE": "wheel house"}, ["--no-index", "--no-deps", "--require-hashes", "--find-links=wheel house"]),
        ({"INSTALL_INDEX": "https://pip.internal/simple"}, ["--index-url=https://pip.internal/simple", "veritensor-ray"]),
        ({"INSTALL_VERSION": "0.1.0"}, ["veritensor-ray==0.1.0"]),
        ({"INSTALL_INDEX": EVIL, "INSTALL_VERSION": "0.1.0; touch pwned"}, [f"--index-url={EVIL}", "veritensor-ray==0.1.0; touch pwned"]),
    ],
)
def test_installing(environ: dict[str, str], expected: list[str], tmp_path: Path) -> None:
    """With a Python that only notes what it is asked for."""
    python, calls = tmp_path / "python", tmp_path / "calls"
    made = tmp_path / "temp" / "veritensor-ray" / "bin"
    made.mkdir(parents=True)
    note = f"#!{sys.executable}\nimport json, sys\nopen({str(calls)!r}, 'a').write(json.dumps(sys.argv[1:]) + '\\n')\n"
    for program in (python, made / "python", made / "veritensor-ray"):
        program.write_text(note)
        program.chmod(0o755)
    added = tmp_path / "path"
    settings = {"PATH": os.environ["PATH"], "PYTHON": str(python), "RUNNER_TEMP": str(tmp_path / "temp"), "GITHUB_PATH": str(added)}
    subprocess.run(["bash", CI / "install.sh"], env=settings | environ, cwd=tmp_path, check=True, capture_output=True)
    venv, pip, version = [json.loads(line) for line in calls.read_text().splitlines()]
    assert venv[:2] == ["-m", "venv"]
    assert [argument for argument in expected if argument not in pip] == []
    assert version == ["--version"]
    assert added.read_text() == f"{made}\n"
    assert not [*tmp_path.rglob("pwned")]


def test_nothing_is_installed_that_nobody_named(tmp_path: Path) -> None:
    """The package is in no public index, where anybody could publish another one under its name."""
    settings = {"PATH": "/usr/bin:/bin", "PYTHON": "/bin/false", "RUNNER_TEMP": str(tmp_path)}
    done = subprocess.run(["bash", CI / "install.sh"], env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "veritensor-ray is not on the PATH. Set wheelhouse to a folder" in done.stderr
    assert not [*tmp_path.iterdir()]


def test_a_prepared_runner_installs_nothing(tmp_path: Path) -> None:
    path = f"{fake(tmp_path, 0)}:{os.environ['PATH']}"
    subprocess.run(["bash", CI / "install.sh"], env={"PATH": path, "PYTHON": "/bin/false"}, check=True)
    assert (tmp_path / "calls").read_text() == '["--version"]\n'


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text", "passes", "says"),
    [
        ("notes.md", "Nothing to see.", True, "Passed"),
        ("-rf.md", "Nothing to see.", True, "Passed"),
        ("deploy.key", "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n" * 5 + "-----END OPENSSH PRIVATE KEY-----\n", False, "secrets.private-key"),
    ],
)  # fmt: skip
def test_the_hook_stops_a_commit(name: str, text: str, passes: bool, says: str, tmp_path: Path) -> None:
    """With git and pre-commit, and without a network."""
    home = tmp_path / "home"
    home.mkdir()
    work = tmp_path / "work"
    environ = {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "HOME": str(home),
        "PRE_COMMIT_HOME": str(home / "cache"),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_{what}": "tester@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }

    def run(*command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=work, env=environ, capture_output=True, text=True, check=check)

    work.mkdir()
    run("git", "init", "--quiet")
    (work / ".pre-commit-config.yaml").write_text((CI / "pre-commit-config.yaml").read_text())
    run(BIN / "pre-commit", "install")
    (work / name).write_text(text)
    run("git", "add", "--", name, ".pre-commit-config.yaml")
    done = run("git", "commit", "--message", "try", check=False)
    assert (done.returncode == 0) is passes, done.stdout + done.stderr
    assert says in done.stdout + done.stderr
