"""What the head of a Ray cluster sends to places outside the cluster, unless it was started with all three switches against that.

Ray's own switch, RAY_USAGE_STATS_ENABLED, is not enough: a head then reports that its statistics are off, and still asks which cloud it
runs in.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from veritensor_ray.jobs.cluster.ray_internals import BOOTSTRAP, HEAD_RESOURCE, REPORT_VARIABLE, REPORTS_TO, usage_report

REMEDY = (
    f"start it with RAY_USAGE_STATS_ENABLED=0, {REPORT_VARIABLE}=http://127.0.0.1:9/ and a file "
    f"~/{BOOTSTRAP} that contains {{}} (docs/operations.md)"
)


def sends(statistics: bool, report_url: str, knows_cloud: bool) -> str | None:
    """Returns what a head sends outside, as a sentence without its end; None if nothing. `knows_cloud`: whether the file BOOTSTRAP exists."""
    host = urlsplit(report_url).hostname or ""
    said = []
    if not _on_loopback(host):
        said.append(f"reports {'its usage' if statistics else 'that its usage statistics are off'} to {host or report_url}")
    if not knows_cloud:
        said.append("asks the metadata services of three clouds which of them it runs in")
    return f"the head of this cluster {' and '.join(said)}" if said else None


def of_joined() -> str | None:
    """Returns the same for the head of the Ray that this process has joined, which is asked on its own machine."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    for node in ray.nodes():
        if node["Alive"] and HEAD_RESOURCE in node["Resources"]:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            said: str | None = ray.get(ray.remote(num_cpus=0, max_retries=0)(_of_this_node).options(scheduling_strategy=there).remote())
            return said
    return None


def _of_this_node() -> str | None:
    """Returns the same in a worker of the head, which has inherited the environment that the head was started in."""
    return sends(*usage_report(), (Path.home() / BOOTSTRAP).exists())


# A job that prints the two switches that the dashboard does not tell. Jobs run in a shell of the head.
PROBE = f'echo "reports to ${{{REPORT_VARIABLE}-{REPORTS_TO}}}"; [ ! -e ~/{BOOTSTRAP} ] || echo "cloud known"'


def of_probe(printed: str, statistics: bool) -> str | None:
    """Returns the same from what PROBE printed, and whether the dashboard says that usage statistics are on."""
    lines = printed.splitlines()  # Ray's own are among them
    url = next((line.removeprefix("reports to ") for line in lines if line.startswith("reports to ")), "")
    return sends(statistics, url, "cloud known" in lines)


def _on_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
