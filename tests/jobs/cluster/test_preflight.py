"""What the driver makes of what the nodes say."""

from __future__ import annotations

import pytest

from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import ModelError
from veritensor_ray.jobs.cluster.preflight import _fleet, _lines, _problems
from veritensor_ray.pipeline.machine_report import EngineSeen, NodeReport, examine


def engine(name: str = "pii", fingerprint: str = "f1", missing: str = "") -> EngineSeen:
    return EngineSeen(name, "1", None if missing else fingerprint, missing=missing)


def report(node: str, engines: tuple[EngineSeen, ...] = (engine(),), bundle: str | None = "b1", **changes: str) -> NodeReport:
    about = {"package": "0.1.0", "python": "3.11.7"} | changes
    return NodeReport(node, about["package"], about["python"], bundle, (), engines, ())


HEAD = report("head", ())


@pytest.mark.parametrize(
    ("worker", "says"),
    [
        (report("w2"), []),
        (report("w2", python="3.11.9"), []),  # patch releases understand each other
        (report("w2", python="3.12.1"), ["nodes differ in python: head has 3.11, w1 has 3.11, w2 has 3.12"]),
        (report("w2", package="0.2.0"), ["nodes differ in package: head has 0.1.0, w1 has 0.1.0, w2 has 0.2.0"]),
        (report("w2", bundle=None), ["w2 has no bundle, but the driver has the bundle b1"]),
        (report("w2", (engine(fingerprint="f2"),)), ["nodes differ in the engine pii: w1 has f1, w2 has f2"]),
        (report("w2", (engine(missing="no model"),)), []),  # the fleet decides what becomes of it
        (NodeReport("w2", "?", "?", None, (), (), ("w2: s3://a does not exist",)), ["w2: s3://a does not exist"]),
    ],
)
def test_what_differs_is_named(worker: NodeReport, says: list[str]) -> None:
    found = list(_problems([(HEAD, False), (report("w1"), True), (worker, True)], "b1"))
    assert len(found) == len(says)
    assert all(problem.startswith(start) for problem, start in zip(found, says, strict=True))


def test_a_line_for_each_node() -> None:
    seen = [(HEAD, False), (report("w1", (engine(), engine("ocr", missing="no weights"))), True)]
    assert _lines(seen) == [
        "  node  package  python  bundle  GPUs  engines",
        "  head  0.1.0    3.11.7  b1      none  none (no CPUs)",
        "  w1    0.1.0    3.11.7  b1      none  2 engines, missing: ocr",
    ]


def test_an_engine_that_one_node_lacks_is_missing() -> None:
    nodes = {"w1": [engine(), engine("ocr")], "w2": [engine(), engine("ocr", missing="no weights. Bring them")]}
    with pytest.raises(ModelError, match="w2: no weights"):
        _fleet(Settings(), nodes)
    fleet = _fleet(Settings(allow_missing_engines=True), nodes)
    assert fleet.fingerprints == {"pii": "f1", "ocr": None}
    assert fleet.expected == (("pii", "f1"),)
    assert fleet.missing == {"ocr": "w2: no weights. Bring them"}


def test_a_machine_looks_at_itself(tmp_path: object) -> None:
    settings = Settings(sources=["/no/such/corpus"], output=f"{tmp_path}/out", engines=["signatures", "structure"])
    seen = examine(settings)
    assert [one.name for one in seen.engines] == ["signatures", "structure"]
    assert all(one.fingerprint for one in seen.engines)
    assert seen.problems == ("/no/such/corpus does not exist",)
    assert examine(settings, scans=False).engines == ()


def test_a_plug_in_that_is_not_there_is_a_problem_and_no_exception() -> None:
    assert "nowhere" in examine(Settings(plugins=["nowhere:Engine"], output="/")).problems[-1]
