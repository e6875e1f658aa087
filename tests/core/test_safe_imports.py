"""What a process may import: nothing of the working directory, nothing of the corpus."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import veritensor_ray
from veritensor_ray.core.safe_imports import Guard

ROOT = Path(veritensor_ray.__file__).parents[1]


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a folder in it and one beside it."""
    for name in ("corpus/deep", "beside"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to("corpus/deep")
    monkeypatch.chdir(tmp_path / "corpus")
    return tmp_path / "corpus"


@pytest.mark.parametrize(
    ("entry", "kept_off"),
    [
        ("", True),
        (".", True),
        ("../corpus", True),
        ("deep", True),
        ("../link", True),
        ("../beside", False),
        ("..", False),
        (str(ROOT), False),
        (os.path.dirname(os.__file__), False),  # noqa: PTH120  # the standard library
    ],
)
def test_what_is_kept_off_the_path(entry: str, kept_off: bool, corpus: Path) -> None:
    assert Guard(corpus).refuses(entry) is kept_off


def test_what_runs_already_stays_where_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may scan the installation itself."""
    monkeypatch.chdir(ROOT)
    assert not Guard("/").refuses(str(ROOT))


def test_path_and_environment_are_as_before_behind_the_guard(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f":{corpus / 'deep'}:/opt/modules:.")
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.setattr(sys, "path", ["", "/opt/modules", str(corpus), *sys.path])
    before, environment = list(sys.path), dict(os.environ)
    with Guard(corpus):
        assert (sys.path[0], os.environ["PYTHONPATH"], os.environ["PYTHONSAFEPATH"]) == ("/opt/modules", "/opt/modules", "1")
    assert (sys.path, dict(os.environ)) == (before, environment)


def poison(folder: Path, marker: Path) -> None:
    """A module in the name of every installed package, and of standard ones that are imported late; each leaves a trace and raises."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {name for name in packages_distributions() if name.isidentifier()} - {"veritensor_ray"}
    for name in names | {"typing", "dataclasses", "json", "csv", "email", "zipfile", "sqlite3", "asyncio", "multiprocessing", "yaml"}:
        (folder / f"{name}.py").write_text(f"open({str(marker)!r}, 'a').write('{name} ')\nraise SystemExit('poisoned {name}')\n")
    (folder / "evil-1.dist-info").mkdir(exist_ok=True)
    (folder / "evil-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1\n")
    (folder / "evil-1.dist-info" / "entry_points.txt").write_text("[veritensor_ray.engines]\nevil = pyarrow:Engine\n")
    (folder / "a.txt").write_text("hello\n")


CODE = {
    "scanner": "import veritensor_ray as vr\nassert vr.Scanner(['pii'], pii={{'free_text': False}}).clean(['hi', 'bob.m@posteo.de']) == ['hi', '[EMAIL]']\n",
    "inspect": "import veritensor_ray as vr\nassert vr.inspect('a.txt', engines=['signatures']).ledger['status'] == 'scanned'\n",
    "open": "import veritensor_ray as vr\naudit = vr.open({output!r})\nassert len(audit.sql('select * from ledger')) == len(audit.to_pandas('ledger'))\n",
    "scan": "import veritensor_ray as vr\nassert vr.scan('.', {output!r}, engines=['signatures'], include=['a.txt']).run['status']['scanned'] == 1\n",
}
START = {
    "submit": (
        str(Path(sys.executable).with_name("veritensor-ray")),
        "submit",
        ".",
        "--engines",
        "signatures",
        "--output",
        "{output}",
        "--address",
        "embedded",
    ),
    "plan": ("-P", "-m", "veritensor_ray", "plan", ".", "--engines", "signatures"),
    "inspect-files": ("-P", "-m", "veritensor_ray", "inspect", "a.txt", "--engines", "signatures"),
    "engines": ("-P", "-m", "veritensor_ray", "engines"),
    "doctor": ("-P", "-m", "veritensor_ray", "doctor"),
}


@pytest.mark.ray
@pytest.mark.parametrize("way", ["scan", "open", "inspect", "scanner", "submit", "plan", "inspect-files", "engines", "doctor"])
def test_no_way_to_start_runs_a_module_of_the_working_directory(way: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("planted")
    marker, output = folder.parent / f"{way}.marker", str(folder.parent / ("audit" if way in CODE else way))
    poison(folder, marker)
    command = ("-c", CODE[way].format(output=output)) if way in CODE else tuple(part.format(output=output) for part in START[way])
    done = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False)
    assert not marker.exists(), marker.read_text()
    assert "poisoned" not in done.stdout + done.stderr
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.ray
def test_a_ray_that_joins_workers_elsewhere_runs_none_either(tmp_path: Path) -> None:
    """`--address`, as a job on a cluster uses it: the workers belong to another process."""
    marker, output = tmp_path / "marker", tmp_path / "out"
    poison(tmp_path / "planted", marker)
    code = (
        "import os, subprocess, sys, ray\n"
        "os.environ |= {'RAY_AUTH_MODE': 'token', 'RAY_AUTH_TOKEN': 'a' * 64, 'RAY_USAGE_STATS_ENABLED': '0'}\n"
        "address = ray.init(address='local', include_dashboard=False, num_cpus=2)['gcs_address']\n"
        "sys.exit(subprocess.run([sys.executable, *sys.argv[2:], '--address', address], cwd=sys.argv[1]).returncode)\n"
    )
    command = [part.format(output=output) for part in START["submit"]]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "planted"), *command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert not marker.exists(), marker.read_text()
    assert done.returncode == 0, done.stdout + done.stderr
    assert (output / "run.json").exists()


@pytest.mark.ray
def test_a_ray_that_was_started_in_the_corpus_is_refused(tmp_path: Path) -> None:
    code = (
        "import os, ray, veritensor_ray as vr\n"
        "os.environ['RAY_USAGE_STATS_ENABLED'] = '0'\n"
        "ray.init(address='local', include_dashboard=False, num_cpus=1)\n"
        "try:\n    vr.scan('.', '../out', engines=['signatures'])\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "a.txt").write_text("hello\n")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "corpus", capture_output=True, text=True, check=False)
    assert "UsageError this process started Ray in" in done.stdout
    assert "ray.shutdown()" in done.stdout
