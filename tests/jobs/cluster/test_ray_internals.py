"""What this package uses of Ray's internals behaves as `jobs/cluster/ray_internals.py` says, and no other module uses any."""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from veritensor_ray.core.config import load_settings
from veritensor_ray.core.errors import CannotRunError
from veritensor_ray.jobs import doctor
from veritensor_ray.jobs.cluster import embedded, ray_internals
from veritensor_ray.jobs.run_checks import ready
from veritensor_ray.jobs.run_reporting import Silent

DOOR = Path(ray_internals.__file__).resolve()
ROOT = Path(__file__).resolve().parents[3]
MODULES = [path for folder in ("veritensor_ray", "actors", "jobs") for path in sorted((ROOT / folder).rglob("*.py"))]


def source(module: str) -> str:
    """The text of a module of Ray, which may be too slow to import, or nothing but a server."""
    found = find_spec(module)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).read_text()


@pytest.fixture
def other_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An environment in which another version of Ray is installed, as far as its metadata say."""
    folder = tmp_path / "site" / "ray-2.99.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: ray\nVersion: 2.99.0\n")
    monkeypatch.syspath_prepend(str(folder.parent))
    return str(folder.parent)


# --- Versions ---


def test_the_proven_versions_are_those_that_can_be_installed() -> None:
    [bound] = [
        one.specifier
        for one in map(Requirement, tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
        if one.name == "ray"
    ]
    assert bound == SpecifierSet(ray_internals.PROVEN)
    assert version("ray") in bound
    assert ray_internals.unproven() is None
    for lock in ("head", "worker-cpu", "worker-gpu"):
        [locked] = re.findall(r"^ray==(\S+) ", (ROOT / f"requirements/{lock}.txt").read_text(), re.MULTILINE)
        assert locked in bound


class Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_another_version_is_told_by_each_run_and_by_the_doctor(other_ray: str, tmp_path: Path) -> None:
    said = ray_internals.unproven()
    assert said is not None
    assert "Ray 2.99.0 is installed; install a tested one with `pip install 'ray[default]>=2.60,<2.61'`" in said
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "a.txt").write_text("a word\n")
    flags = {"sources": [str(tmp_path / "corpus")], "output": str(tmp_path / "out"), "engines": ["signatures"]}
    notes = Notes()
    with ready(load_settings(flags=flags, environ={}), notes):
        assert notes.notes.count(said) == 1
    [check] = doctor._version_of_ray(load_settings(environ={}))
    assert (check.state, check.detail) == ("warning", said)


@pytest.mark.parametrize(
    ("gone", "says"),
    [
        (
            ["ray._private.node:Node.start_gone", "ray.gone:name"],
            "lacks ray._private.node.Node.start_gone, ray.gone.name; install a tested one",
        ),
        ([f"ray:gone{number}" for number in range(5)], "lacks ray.gone0, ray.gone1, ray.gone2 and 2 more names; install a tested one"),
    ],
    ids=["two", "many"],
)
def test_a_version_that_lacks_something_is_refused(gone: list[str], says: str, other_ray: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_internals, "_NEEDED", (*ray_internals._NEEDED, *gone))
    with pytest.raises(CannotRunError, match=re.escape(f"Ray 2.99.0 cannot be used, because it {says}")):
        ray_internals.unproven()


def test_without_ray_its_installation_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(CannotRunError, match=r"^Ray is not installed; install it with `pip install 'ray\[default\]>=2\.60,<2\.61'`$"):
        ray_internals.unproven()


def test_everything_that_can_be_looked_up_is_there_and_on_the_list() -> None:
    assert ray_internals.missing(ray_internals._NEEDED) == []
    listed = {name.replace(":", ".") for name in ray_internals._NEEDED}
    used = {
        f"{node.module}.{name.name}"
        for node in ast.walk(ast.parse(DOOR.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ray.")
        for name in node.names
    }
    assert used
    assert [name for name in used if not any(one == name or one.startswith(f"{name}.") for one in listed)] == []


# --- Variables and names that only servers know ---


@pytest.mark.parametrize(
    ("variables", "where"),
    [
        ([ray_internals.LOOPBACK_SWITCH, "RAY_ENABLE_UV_RUN_RUNTIME_ENV"], "ray._private.ray_constants"),
        (["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"], "ray._private.accelerators.accelerator"),
        (["RAY_gcs_server_port_wait_time_s"], "ray._private.node"),
    ],
)
def test_variables_that_are_read_in_python(variables: list[str], where: str) -> None:
    assert [name for name in variables if f'"{name}"' not in source(where)] == []


def test_variables_that_are_read_by_the_raylet() -> None:
    settings = {*ray_internals.START_TIMEOUTS, *ray_internals.WORKER_SETTINGS}
    names = {name.removeprefix("RAY_") for name in settings if name.removeprefix("RAY_")[0].islower()} - {"gcs_server_port_wait_time_s"}
    assert len(names) == 3
    spec = find_spec("ray")
    assert spec is not None
    assert spec.origin is not None
    program = (Path(spec.origin).parent / "core/src/ray/raylet/raylet").read_bytes()
    assert [name for name in names if name.encode() not in program] == []


def test_names_of_the_head() -> None:
    from ray._common.constants import HEAD_NODE_RESOURCE_NAME
    from ray.core.generated import gcs_service_pb2

    assert HEAD_NODE_RESOURCE_NAME == ray_internals.HEAD_RESOURCE
    package, service, method = re.fullmatch(r"/([\w.]+)\.(\w+)/(\w+)", ray_internals.CLUSTER_ID_METHOD).groups()  # type: ignore[union-attr]
    assert gcs_service_pb2.DESCRIPTOR.package == package
    assert method in gcs_service_pb2.DESCRIPTOR.services_by_name[service].methods_by_name
    assert f'"~/{ray_internals.BOOTSTRAP}"' in source("ray.dashboard.modules.usage_stats.usage_stats_head")


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("url", [None, "http://127.0.0.1:9/"])
def test_where_a_head_reports_to(enabled: bool, url: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", str(int(enabled)))
    monkeypatch.delenv(ray_internals.REPORT_VARIABLE)
    if url:
        monkeypatch.setenv(ray_internals.REPORT_VARIABLE, url)
    assert ray_internals.usage_report() == (enabled, url or ray_internals.REPORTS_TO)


def test_the_jobs_client_trusts_a_bundle_and_is_quiet() -> None:
    import certifi
    from ray.dashboard.modules.job import sdk

    client = SimpleNamespace()
    ray_internals.prepare_client(client, certifi.where())
    assert client._ssl_context.cert_store_stats()["x509_ca"] > 0
    assert "ssl=self._ssl_context" in inspect.getsource(sdk.JobSubmissionClient.tail_job_logs)
    assert sdk.logger.getEffectiveLevel() == 30


def test_a_head_without_an_agent_says_so() -> None:
    said = [one.value for one in ast.walk(ast.parse(source("ray.dashboard.modules.job.job_head"))) if isinstance(one, ast.Constant)]
    assert len([text for text in said if isinstance(text, str) and ray_internals.has_no_agent(RuntimeError(text))]) == 1
    assert not ray_internals.has_no_agent(RuntimeError("No such job"))


@pytest.mark.parametrize(("address", "found"), [("10.77.0.1:6379", "10.77.0.1:6379"), ("nonsense", None)])
def test_an_address_from_the_environment(address: str, found: str | None) -> None:
    if found:
        assert ray_internals.named_address(address) == found
        return
    with pytest.raises((ConnectionError, ValueError)):
        ray_internals.named_address(address)


# --- An embedded Ray ---


@pytest.mark.usefixtures("local_ray")
def test_an_embedded_ray_runs_two_processes_in_its_folder() -> None:
    import ray

    node = ray_internals.current_node()
    assert type(node).__module__ == ray_internals.__name__, "`quiet_nodes` made it"
    lines = [" ".join(psutil.Process(pid).cmdline()) for pid in ray_internals.pids(node)]
    assert sorted(Path(line.split()[0]).name for line in lines) == ["gcs_server", "raylet"]
    assert [found for line in lines if (found := ray_internals.raylet(line))] == [
        (ray.get_runtime_context().gcs_address, str(embedded.folder() / "r"))
    ]
    assert ray_internals.init_options(embedded.folder() / "r")["_temp_dir"] == str(ray_internals.logs(node).parents[1])
    assert (ray_internals.logs(node) / "raylet.err").is_file()
    assert not list(ray_internals.logs(node).glob("dashboard.*"))


@pytest.mark.usefixtures("local_ray")
def test_no_socket_has_a_longer_path() -> None:
    [session] = [path for path in (embedded.folder() / "r").glob("session_2*") if not path.is_symlink()]
    shape = re.sub(r"\d+$", r"\\d+", re.sub(r"\d(?=.*_)", r"\\d", ray_internals.LONGEST_PATH.partition("/")[0]))
    assert re.fullmatch(shape, session.name), (shape, session.name)
    names = [path.name for path in (session / "sockets").iterdir()]
    assert {"plasma_store", "raylet"} <= set(names)
    assert max(map(len, names)) <= len(Path(ray_internals.LONGEST_PATH).name)


@pytest.mark.usefixtures("local_ray")
def test_workers_import_nothing_from_where_the_driver_is() -> None:
    assert ray_internals.driver_path() == []  # of `job_without_driver_path`; below, a plain job has a folder


@pytest.mark.usefixtures("local_ray")
def test_what_is_free_is_known_for_each_node() -> None:
    import ray

    nodes = {one["NodeID"]: one["Resources"] for one in ray.nodes()}
    free = ray_internals.free_resources()
    assert free.keys() == nodes.keys()
    [[node, resources]] = nodes.items()
    assert ray_internals.HEAD_RESOURCE in resources
    assert {"CPU", "memory"} <= resources.keys()
    assert free[node]["memory"] == resources["memory"]


@pytest.mark.usefixtures("local_ray")
def test_a_task_pauses_until_its_objects_are_taken(tmp_path: Path) -> None:
    import ray
    from ray.exceptions import ObjectRefStreamEndOfStreamError

    def numbers() -> Any:
        for number in range(4):
            (tmp_path / str(number)).touch()
            yield number

    task: Any = ray.remote(num_cpus=0, num_returns="streaming", max_retries=0)(numbers)
    stream = task.options(**ray_internals.PAUSING).remote()
    first = ray_internals.peek(stream)
    assert ray.get(list(first)) == [0, 1]
    assert ray_internals.peek(stream) == first, "looking at objects does not take them"
    ray.wait([ray.remote(num_cpus=0)(lambda: None).remote()])
    assert not (tmp_path / "3").exists(), "it has not been asked for more"
    ray_internals.advance(stream)
    assert ray.get(list(ray_internals.peek(stream))) == [2, 3]
    ray_internals.advance(stream)
    with pytest.raises(ObjectRefStreamEndOfStreamError):
        ray.get(ray_internals.peek(stream)[1])


# A head with a dashboard, in a process of its own: it says what this module finds there, and ends it.
HEAD = """
import os, signal, socket
from pathlib import Path
import psutil, ray
from ray._common.usage import usage_lib
from ray.job_submission import JobSubmissionClient
from ray.util import placement_group
from veritensor_ray.jobs.cluster import ray_internals

os.environ["RAY_AUTH_TOKEN"] = "b" * 64
ray_internals.reread_token()
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]

def mine(number, frame):
    pass

signal.signal(signal.SIGTERM, mine)
usage_lib.is_nightly_wheel = lambda: True  # otherwise `ray.init` switches the statistics off
with ray_internals.without_sigterm_handlers():
    ray.init("local", num_cpus=4, include_dashboard=True, dashboard_host="127.0.0.1", dashboard_port=port, logging_level="ERROR")
assert signal.getsignal(signal.SIGTERM) is mine
assert str(Path(__file__).parent) in ray_internals.driver_path()
client = JobSubmissionClient(f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {'b' * 64}"})
assert ray_internals.reports_usage(client) is True
group = placement_group([{"CPU": 2}])
ray.get(group.ready())
class Actor:
    def ready(self):
        pass
actor = ray.remote(num_cpus=1)(Actor).remote()
ray.get(actor.ready.remote())
[(who, held)] = ray_internals.holders().items()
assert f"head.py (job {ray.get_runtime_context().get_job_id()})" in who, who
assert held["CPU"] == 3, held
processes = [psutil.Process(pid) for pid in ray_internals.pids(ray_internals.current_node())]
assert len(processes) > 2
ray_internals.kill(ray_internals.current_node())
_, left = psutil.wait_procs(processes, timeout=60)
assert not left, left
print("all is as before")
os._exit(0)
"""


@pytest.mark.ray
@pytest.mark.slow
def test_a_head_with_a_dashboard(tmp_path: Path) -> None:
    (tmp_path / "head.py").write_text(HEAD)
    own = {
        "RAY_AUTH_TOKEN": "a" * 64,  # which Ray reads at its import
        "RAY_USAGE_STATS_ENABLED": "1",  # the address that it reports to is nobody's
        ray_internals.LOOPBACK_SWITCH: "0",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, str(tmp_path / "head.py")], env=os.environ | own, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout.splitlines()[-1:] == ["all is as before"], done.stdout + done.stderr


def test_each_use_has_a_test() -> None:
    tree = ast.parse(DOOR.read_text())
    stored = [node for one in tree.body if isinstance(one, ast.Assign) for node in ast.walk(one) if isinstance(node, ast.Name)]
    names = {one.name for one in tree.body if isinstance(one, ast.FunctionDef)} | {
        node.id for node in stored if isinstance(node.ctx, ast.Store)
    }
    tests = Path(__file__).read_text()
    assert [name for name in sorted(names) if not name.startswith("_") and not re.search(rf"\b{name}\b", tests)] == []


# --- No other module ---

DOCUMENTED = {"ray", "ray.exceptions", "ray.job_submission", "ray.util", "ray.util.scheduling_strategies"}
VARIABLES = {
    "RAY_ADDRESS",
    "RAY_AUTH_MODE",
    "RAY_AUTH_TOKEN",
    "RAY_AUTH_TOKEN_PATH",
    "RAY_TMPDIR",
    "RAY_USAGE_STATS_ENABLED",
    "RAY_USE_TLS",
}
WORDS = re.compile(r"ray\.(_|rpc|dashboard|core)|__internal|usage-stats\.ray|/usage_stats|ray_bootstrap|--gcs-address|session_\d")


def private(name: str | None) -> bool:
    return name is not None and name.startswith("_") and not name.startswith("__")


def internal(node: ast.AST, of_ray: set[str]) -> bool:
    """Whether a part of a module that works with Ray uses what Ray does not document; `of_ray` are the names that it imports from Ray."""
    if isinstance(node, ast.Import):
        return any(one.name.split(".")[0] == "ray" and one.name not in DOCUMENTED for one in node.names)
    if isinstance(node, ast.ImportFrom):
        module = node.module or ""
        return module.split(".")[0] == "ray" and (module not in DOCUMENTED or any(private(one.name) for one in node.names))
    if isinstance(node, ast.Attribute):
        return private(node.attr) and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
    if isinstance(node, ast.keyword):
        return private(node.arg)
    if isinstance(node, ast.ClassDef):
        return any(isinstance(one, ast.Name) and one.id in of_ray for base in node.bases for one in ast.walk(base))
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return bool(WORDS.search(node.value) or set(re.findall(r"\bRAY_\w+", node.value)) - VARIABLES)
    return isinstance(node, ast.Dict) and any(isinstance(key, ast.Constant) and private(str(key.value)) for key in node.keys)


def uses(tree: ast.Module, with_ray: bool) -> list[int]:
    """The lines in which a module uses Ray's internals; one that does not work with Ray may have private names of others."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    of_ray = {
        (one.asname or one.name).split(".")[0]
        for node in imports
        for one in node.names
        if (node.module if isinstance(node, ast.ImportFrom) and node.module else one.name).split(".")[0] == "ray"
    }
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if node.body and isinstance(node.body[0], ast.Expr)
    }
    nodes = ast.walk(tree) if with_ray or of_ray else iter(imports)
    return [node.lineno for node in nodes if id(node) not in documentation and internal(node, of_ray)]  # type: ignore[attr-defined]


def test_no_other_module_uses_them() -> None:
    found = {}
    for path in MODULES:
        text, with_ray = path.read_text(), bool({"actors", "jobs"} & set(path.relative_to(ROOT).parts))
        if path != DOOR and (with_ray or re.search(r"\b(import|from) +ray\b", text)):
            found[str(path.relative_to(ROOT))] = uses(ast.parse(text), with_ray)
    found = {name: lines for name, lines in found.items() if lines}
    assert found == {}
    assert uses(ast.parse(DOOR.read_text()), True)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("from ray._private import node", True),
        ("from ray.util.state import list_actors", True),
        ("import ray._raylet", True),
        ("import ray\nray._private.worker", True),
        ("import ray\nray.init(_temp_dir='/x')", True),
        ("import ray\noptions = {'_temp_dir': '/x'}", True),
        ("from ray.exceptions import RayError\nclass Mine(RayError): pass", True),
        ("import ray\nclass Mine(ray.ObjectRef[int]): pass", True),
        ("stream._get_next_ref_n(2)", True),
        ("os.environ['RAY_worker_register_timeout_seconds'] = '1'", True),
        ("ask('/ray.rpc.NodeInfoGcsService/GetClusterId')", True),
        ("import ray\nfrom ray.util import placement_group\nray.get(self._reference)", False),
        ("def f():\n    '''Ray has ray._private, and RAY_other_things.'''\nos.environ['RAY_ADDRESS']", False),
    ],
)
def test_such_uses_are_recognised(code: str, found: bool) -> None:
    assert bool(uses(ast.parse(code), True)) is found
