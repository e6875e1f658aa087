"""What all tests share: a home of their own, and one embedded Ray for those that need it."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.clock import AtMost
from veritensor_ray.core.config import Settings

# Its deadline is a clock on the wall. Every run tries the same examples; with EXPLORE=1, it looks for new ones.
hypothesis.settings.register_profile("steady", deadline=None, derandomize=not os.environ.get("EXPLORE"))
hypothesis.settings.load_profile("steady")


ROOT = Path(__file__).parent
PLACEMENTS = ("processes", "Ray")
LONGER = (  # what a change of the code seldom breaks alone; `make test-all` and CI run it
    "bench",
    "deploy",
    "docs/test_airgap.py",
    "docs/test_audit.py",
    "docs/test_clean.py",
    "docs/test_operations.py",
    "docs/test_sources.py",
    "docs/test_triage.py",
    "scripts",
    "test_examples.py",
    "test_examples_scanner.py",
    "tools",
    "training",
)

OPTIONS = {
    "screenshots": "folder for the pictures of the documentation; default: they are only taken",
    "audit": "output of an audit for the pictures; default: a small one",
    "state": "state of a sweep for the pictures; default: a small one",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the tests that take pictures for the documentation, and one that measures."""
    group = parser.getgroup("pictures")
    for name, said in OPTIONS.items():
        group.addoption(f"--{name}", type=Path, default=None, help=said)
    parser.addoption("--everything", action="store_true", help="also the tests of `LONGER`, and audits on both placements")
    parser.addoption("--durations-to", type=Path, default=None, help="file for what each test takes, as tests/durations.json has it")


def pytest_configure(config: pytest.Config) -> None:
    """Measure what tests take, in the process that hears of all of them."""
    from tests.durations import Stopwatch

    if config.option.durations_to and not os.environ.get("PYTEST_XDIST_WORKER"):
        config.pluginmanager.register(Stopwatch(config.option.durations_to, config.rootpath))


@pytest.hookimpl(tryfirst=True)  # -m looks at the marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks follow from what a test asks for.

    Tests that look at a clock run only where -m names it, since a clock proves nothing beside other processes. Those that hold results too
    run everywhere; elsewhere their limits are not checked.
    """
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "at_most" in fixtures:
            item.add_marker("clock")
        if "local_ray" in fixtures or ("anywhere" in fixtures and "[Ray" in item.nodeid):
            item.add_marker("ray")
    if "clock" not in config.option.markexpr:
        left_out = [item for item in items if item.get_closest_marker("clock") and not item.get_closest_marker("results")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what is in `LONGER`, unless it is asked for by --everything, or by its name."""
    if config.option.everything or not any(collection_path == ROOT / name for name in LONGER):
        return None
    named = [Path(config.invocation_params.dir, arg.partition("::")[0]).resolve() for arg in config.args]
    return None if any(collection_path in (one, *one.parents) for one in named) else True


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What asks for `anywhere` runs in processes, and with --everything on Ray too."""
    if "anywhere" in metafunc.fixturenames:
        metafunc.parametrize("anywhere", PLACEMENTS if metafunc.config.option.everything else PLACEMENTS[:1], indirect=True)


@pytest.fixture
def anywhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Audits of this process run in processes that are kept, or on an embedded Ray: their results are the same."""
    from veritensor_ray.jobs.scheduling import placement

    if request.param == "Ray":
        request.getfixturevalue("local_ray")
    else:
        monkeypatch.setattr(placement, "_joined", lambda: False)


@pytest.fixture(autouse=True)
def _formats_end_with_the_test() -> Iterator[None]:
    """A format that a plug-in or a contract registers stays known in its process, which other tests share."""
    from veritensor_ray.core.format_table import know, rows

    before = rows()
    yield
    if rows() != before:
        from veritensor_ray.formats.first_bytes import KNOWN

        know(before)
        KNOWN.learn(before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Skip tests that import a library which this environment leaves out on purpose, as `make quick-elsewhere` does with PyTorch."""
    report = yield
    missing = call.excinfo.value if call.excinfo else None
    if isinstance(missing, ModuleNotFoundError) and (missing.name or "").partition(".")[0] in os.environ.get("LEFT_OUT", "").split():
        report.outcome, report.longrepr = "skipped", (str(item.path), item.location[1] or 0, f"Skipped: {missing.name} is left out here")
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Name a failure when it happens, so that a run which is cut off has said what failed."""
    if report.failed and not os.environ.get("PYTEST_XDIST_WORKER"):
        print(
            f"\nFAILED {report.nodeid} ({report.when}): {getattr(report.longrepr, 'reprcrash', None) or report.longreprtext[-1000:]}",
            flush=True,
        )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Which process runs which test in a parallel run."""
    from tests.distribution import Distribution

    return Distribution(config, log)


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """One process more than processors: tests wait for Rays, servers and browsers, for a third of the time."""
    return (yield) + 1


@pytest.fixture
def at_most(pytestconfig: pytest.Config) -> AtMost:
    """Bounds the processor's time of a block, in seconds. The limit is checked only under `-m clock`; elsewhere other processes would disturb it."""

    @contextlib.contextmanager
    def bounded(seconds: float) -> Iterator[None]:
        began = time.process_time()
        yield
        took = time.process_time() - began
        assert took < seconds or "clock" not in pytestconfig.option.markexpr, f"it took {took:.2f} s"

    return bounded


@pytest.fixture(scope="session", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No test reads or writes the user's own files; Ray's mode of authentication is explicit; a plain Ray is private and asks nobody."""
    home = tmp_path_factory.mktemp("home")
    (home / "ray_bootstrap_config.yaml").write_text("{}")  # without it, Ray asks which cloud it runs in
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="vrt-", dir="/tmp") as short:  # as sockets need it
        patch.setenv("RAY_TMPDIR", short)
        patch.setenv("RAY_USAGE_STATS_REPORT_URL", "http://127.0.0.1:9/")
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("ORT_DISABLE_TELEMETRY", "1")  # tests import ONNX Runtime by themselves, to make models
        patch.delenv("HF_HOME", raising=False)
        yield home


@pytest.fixture(scope="session")
def local_ray(_home: Path) -> Iterator[None]:
    """An embedded Ray that the audits of a test session share."""
    from veritensor_ray.jobs.cluster import connection

    settings = Settings()
    started = connection.start(settings)
    yield
    connection.stop(settings, started)


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """Where S3 answers on loopback (moto's server): one for all, so a test makes buckets of its own or begins with a reset."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()
