"""The Grafana board and the alerts use the metrics that a run writes, with labels and values that exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.deploy.manifests import DEPLOY, ROOT
from tests.jobs.announce.test_notify import RUN
from veritensor_ray.jobs.announce.metrics import write_metrics

BOARD = json.loads((DEPLOY / "grafana/veritensor-ray.json").read_text())
ALERTS = {rule["alert"]: rule for rule in yaml.safe_load((DEPLOY / "prometheus/rules.yaml").read_text())["groups"][0]["rules"]}
SCHEMA_VERSION = 42  # of Grafana 12
OUTSIDE = {"instance"}  # labels that Prometheus adds


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, set[str]]]:
    """Each metric with the values of its labels."""
    path, now = tmp_path_factory.mktemp("metrics") / "x.prom", datetime.now(UTC)
    write_metrics(str(path), RUN, now, 0, now)
    found: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(path.read_text()):
        labels = found.setdefault(family.name, {})
        for sample in family.samples:
            for name, value in sample.labels.items():
                labels.setdefault(name, set()).add(value)
    return found


def selectors(node: Any) -> Iterator[Any]:
    """Every `metric{label=…}` in a parsed query."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("expr", "lhs", "rhs", "args"):
        inner = getattr(node, name, None)
        for one in inner if isinstance(inner, list) else [inner] if inner is not None else []:
            yield from selectors(one)


def queries_of_the_board() -> list[str]:
    return [target["expr"] for panel in BOARD["panels"] for target in panel["targets"]]


def queries() -> list[str]:
    return [*queries_of_the_board(), *(rule["expr"] for rule in ALERTS.values())]


@pytest.mark.parametrize("query", queries())
def test_a_query_can_be_parsed_and_matches_something(query: str, metrics: dict[str, dict[str, set[str]]]) -> None:
    found = list(selectors(promql_parser.parse(query)))
    assert found
    for one in found:
        assert one.name in metrics
        for matcher in one.matchers.matchers:
            if matcher.name not in OUTSIDE:
                values = metrics[one.name][matcher.name]
                wanted = set(matcher.value.split("|"))
                assert wanted <= values, f"{one.name} has no {matcher.name} {wanted - values}"
    assert set(re.findall(r"by \((\w+)\)", query)) - OUTSIDE <= {label for one in found for label in metrics[one.name]}


def test_the_board_shows_every_metric(metrics: dict[str, Any]) -> None:
    assert {name for query in queries_of_the_board() for name in re.findall(r"veritensor_\w+", query)} == set(metrics)


def test_the_board_can_be_imported_anywhere() -> None:
    assert BOARD["schemaVersion"] == SCHEMA_VERSION
    assert "id" not in BOARD, "it would replace another board"
    variables = {one["name"]: one["type"] for one in BOARD["templating"]["list"]}
    assert variables["datasource"] == "datasource"
    sources = [one["datasource"] for one in (*BOARD["panels"], *(target for panel in BOARD["panels"] for target in panel["targets"]))]
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)
    assert {name for query in queries_of_the_board() for name in re.findall(r"\$(\w+)", query)} <= set(variables)


def test_panels_say_what_they_show_and_do_not_overlap() -> None:
    panels = BOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    assert all(panel["description"].endswith(".") for panel in panels)
    taken = [
        (x, y)
        for at in (panel["gridPos"] for panel in panels)
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
    assert panels[0]["title"] == "Last complete sweep", "whether anything was checked at all comes first"


def test_exit_codes_have_words() -> None:
    (panel,) = (panel for panel in BOARD["panels"] if panel["title"] == "Last run")
    (mapping,) = panel["fieldConfig"]["defaults"]["mappings"]
    assert set(mapping["options"]) == {"0", "1", "2", "3", "4"}


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_to_do(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert rule["annotations"]["description"].endswith(".")
    assert "{{ $labels.instance }}" in rule["annotations"]["summary"]
    assert f"`{name}`" in (ROOT / "docs/schedules.md").read_text()


def test_alerts_watch_for_silence() -> None:
    assert "last_success_timestamp_seconds > 26 * 3600" in ALERTS["NoCompleteSweep"]["expr"]
    assert "unless" in ALERTS["SweepNeverCompleted"]["expr"]


def test_no_address_is_written_down() -> None:
    for path in (DEPLOY / "grafana", DEPLOY / "prometheus"):
        for file in path.iterdir():
            assert "://" not in Path(file).read_text()
