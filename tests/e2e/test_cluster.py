"""An audit on a cluster of several hosts behind a gap, with everything that goes wrong there, compared with a local run.

A head, two workers, a client and an object store, each in a network namespace of its own on a bridge without a way out, with token
authentication. Then a worker loses its power, the other its cable, both come back, the head loses its power and the run is resumed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.checks import Checks
from tests.e2e.cluster_hosts import GET, PYTHON, VERITENSOR, Cluster, until
from tests.e2e.hosts import NETWORK, Network
from tests.e2e.strace import ROOT, Seen, outside, read

OUTSIDE = """
import socket, sys
reached = []
for address in (("192.0.2.1", 80), ("198.51.100.7", 443), ("10.99.0.1", 53)):
    try:
        socket.create_connection(address, timeout=1).close()
        reached.append(address)
    except OSError:
        pass
for name in ("example.org", "metadata.internal"):
    try:
        reached.append(socket.getaddrinfo(name, 80))
    except OSError:
        pass
sys.exit(repr(reached) if reached else 0)
"""
# Ray's way to find its own address: a UDP socket is 'connected', which sends nothing, and asked for its own end.
ROUTE = [("connect", "AF_INET", "8.8.8.8", "53"), ("connect", "AF_INET6", "2001:4860:4860::8888", "53")]


@pytest.mark.e2e
def test_a_run_on_a_cluster_goes_through_everything_and_equals_a_local_one(option: Callable[[str], Any]) -> None:
    base = Path(tempfile.mkdtemp(prefix="vr-", dir="/var/tmp"))  # short: names of sockets are
    with Checks() as check, Network() as network:
        print(f"logs: {base}, until all checks hold", flush=True)
        story(Cluster(network, base), check, option("copies"))
    shutil.rmtree(base, ignore_errors=True)


def make_corpus(folder: Path, copies: int) -> None:
    """The sample corpus several times over, each from another seed."""
    for number in range(copies):
        command = [PYTHON, str(ROOT / "scripts/make_demo_corpus.py"), str(folder / f"part-{number}"), "--seed", str(number)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (folder / f"part-{number}.expected.json").unlink(missing_ok=True)


def make_bundle(cluster: Cluster) -> str:
    """A signed bundle with rules and advisories, imported where all hosts look; its id."""
    import zipfile

    base = cluster.base
    rules, archive = base / "rules", base / "all.zip"
    rules.mkdir()
    (rules / "site.yar").write_text(
        'rule site_word { meta: title = "A word of this site" description = "x" category = "hidden-content" severity = "low" '
        'strings: $a = "customer" nocase condition: $a }\n'
    )
    record = {
        "schema_version": "1.6.0",
        "id": "TEST-2026-1",
        "modified": "2026-11-20T00:00:00Z",
        "affected": [{"package": {"ecosystem": "PyPI", "name": "flask"}, "versions": ["1.0"]}],
    }
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("TEST-2026-1.json", json.dumps(record))
    key = base / "bundle.pem"
    steps = [
        ("keys", "new", str(key)),
        ("keys", "trust", f"{key}.pub"),
        ("bundle", "create", str(base / "bundle.tar"), "--rules", str(rules), "--advisories", str(archive), "--sign-key", f"file:{key}"),
        ("bundle", "import", str(base / "bundle.tar")),
    ]
    for step in steps:
        done = cluster.cli(*step)
        if done.returncode:
            raise RuntimeError(f"{step}: {done.stderr}")
    return str((base / "bundles" / "current").readlink())


def table(output: str, cluster: Cluster, name: str) -> list[dict[str, Any]]:
    """Rows of a result, without what differs from run to run."""
    drop = {"findings": ["scan_id", "detected_at", "first_seen", "last_seen"], "ledger": ["seconds"], "rollup": []}[name]
    script = (
        f"import sys, pickle, veritensor_ray as vr; from veritensor_ray.core.config import load_settings; "
        f"s = load_settings({str(cluster.base / 'config.yaml')!r}); "
        f"t = vr.open({output!r}, stores=s.stores).dataset({name!r}).to_table().drop_columns({drop!r}); "
        f"sys.stdout.buffer.write(b'')\nimport json; print(json.dumps(t.to_pylist(), default=str))"
    )
    done = cluster.client.call(PYTHON, "-c", script)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def differing(cluster: Cluster, one: str, other: str) -> dict[str, str]:
    """Tables that are not equal row for row, with counts."""
    found = {}
    for name in ("findings", "ledger", "rollup"):
        a, b = table(one, cluster, name), table(other, cluster, name)
        if a != b:
            first = next(((x, y) for x, y in zip(a, b, strict=False) if x != y), None)
            found[name] = f"{len(a)} and {len(b)} rows; first difference {first}"
    return found


def story(cluster: Cluster, check: Checks, copies: int) -> None:
    """From an empty network to equal results."""
    make_corpus(cluster.base / "corpus", copies)
    config = {
        "stores": {
            "s3://": {
                "endpoint": f"http://{cluster.store.address}:9000",
                "region": "us-east-1",
                "key": "env:S3_KEY",
                "secret": "env:S3_SECRET",
            }
        },
        "limits": {"shard_artifacts": 8},
        "resources": {"model_actors": 2},
    }
    (cluster.base / "config.yaml").write_text(yaml.safe_dump(config))
    cluster.start_store(cluster.base / "corpus")
    bundle = make_bundle(cluster)
    cluster.start_head()
    for number in (0, 1):
        cluster.start_worker(number)
    check("a head and two workers are up", until(lambda: cluster.nodes() == 2, 240))
    closed(cluster, check)
    refusals(cluster, check)
    reference = f"{cluster.base}/local"
    ended = cluster.cli("submit", "s3://corpus", "--output", reference, *flags(cluster), "--allow-partial", "--fail-on", "critical")
    check("a local run finds what is critical", ended.returncode == 1, ended.stderr[-300:] if ended.returncode != 1 else "")
    faults(cluster, check, bundle, reference)


def flags(cluster: Cluster) -> tuple[str, ...]:
    return ("--config", str(cluster.base / "config.yaml"))


def closed(cluster: Cluster, check: Checks) -> None:
    """Nothing leads out, and nobody without the token gets in."""
    for host in cluster.hosts:
        done = host.call(PYTHON, "-c", OUTSIDE)
        check(f"{host.name}: no name resolves and no outside address answers", done.returncode == 0, done.stderr if done.returncode else "")
    for token, words, code in (
        ("", "without a token", 401),
        ("Bearer wrong", "with a wrong one", 403),
        (f"Bearer {cluster.token.read_text()}", "with it", 200),
    ):
        got = cluster.client.call(PYTHON, "-c", GET, f"{cluster.address}/api/jobs/", token).stdout.partition("\n")[0]
        check(f"the Jobs API answers {words}: {code}", got == str(code), got)
    done = cluster.cli("jobs", "--address", cluster.address, VERITENSOR_CLUSTER__TOKEN="env:NOTHING", NOTHING="")  # a name
    check("the command without a token says what to set", done.returncode == 4 and "cluster.token" in done.stderr, done.stderr)
    done = cluster.cli("jobs", "--address", cluster.address)
    check("the command with it lists no runs", (done.returncode, done.stdout) == (0, "no runs\n"), done.stdout + done.stderr)


def refusals(cluster: Cluster, check: Checks) -> None:
    """What preflight sees: a node with another bundle, and a source that is not there."""
    output = "s3://audits/refused"
    submit = ("submit", "s3://corpus", "--output", output, "--address", cluster.address, *flags(cluster), "--wait")
    cluster.workers[0].power_off()
    check("a worker without power is missed", until(lambda: cluster.nodes() == 1, 60))
    cluster.start_worker(0, hidden=cluster.base / "bundles")
    check("it comes back without its bundle", until(lambda: cluster.nodes() == 2, 180))
    done = cluster.cli(*submit)
    said = done.stdout + done.stderr
    check("one table and one refusal", done.returncode == 4 and "has no bundle" in said and "the cluster is not ready" in said, said)
    cluster.workers[0].power_off()
    check("the worker is off again", until(lambda: cluster.nodes() == 1, 60))
    cluster.start_worker(0)
    check("and back with the bundle", until(lambda: cluster.nodes() == 2, 180))
    done = cluster.cli("submit", "s3://nothing", *submit[2:])
    check(
        "a source that is not there ends with 4", done.returncode == 4 and "s3://nothing" in done.stdout + done.stderr, done.stdout[-300:]
    )


def commits(cluster: Cluster, output: Path) -> int:
    """Shards that the log says are committed."""
    found = re.findall(r"(\d+)/(\d+) shards", output.read_text(errors="replace"))
    return max((int(done) for done, _ in found), default=0)


def faults(cluster: Cluster, check: Checks, bundle: str, reference: str) -> None:
    """The run, what happens to it, and what it leaves."""
    output = "s3://audits/night"
    submit = ["submit", "s3://corpus", "--output", output, "--address", cluster.address, *flags(cluster), "--wait", "--allow-partial"]
    submit += ["--fail-on", "critical", "--verbose"]
    log = cluster.base / "submit-1.txt"
    process = cluster.client.open(VERITENSOR, *submit, output=log)
    check("the run commits shards", until(lambda: commits(cluster, log) >= 3 or process.poll() is not None, 180) and process.poll() is None)
    again = cluster.cli(*(flag for flag in submit if flag != "--wait"))
    check("the same submit again finds it under way", again.returncode == 0 and "already running" in again.stderr, again.stderr)
    listed = cluster.cli("jobs", "--address", cluster.address, "--json")
    name = next((one["id"] for one in json.loads(listed.stdout) if one["output"] == output), "")
    check("it is listed, without a secret in it", bool(name) and "testing" not in listed.stdout)
    told = cluster.cli("status", name, "--address", cluster.address)
    check("status says that it runs", told.returncode == 0 and "RUNNING" in told.stdout, told.stderr)
    cluster.workers[0].power_off()
    before = commits(cluster, log)
    check("with one worker off the run goes on", until(lambda: commits(cluster, log) >= before + 2, 150), commits(cluster, log))
    until(lambda: cluster.nodes() == 1, 60)
    cluster.start_worker(0)
    check("the worker joins again", until(lambda: cluster.nodes() == 2, 240))
    cluster.workers[1].cable(plugged=False)
    before = commits(cluster, log)
    check("with the other's cable pulled the run goes on", until(lambda: commits(cluster, log) >= before + 2, 200), commits(cluster, log))
    until(lambda: cluster.nodes() == 1, 60)
    cluster.workers[1].cable(plugged=True)
    check("plugged in, that worker joins again by itself", until(lambda: cluster.nodes() == 2, 240))
    check(
        "the run has not ended yet", process.poll() is None, log.read_text()[-300:] if process.poll() is not None else commits(cluster, log)
    )
    cluster.head.power_off()
    done = commits(cluster, log)
    for worker in cluster.workers:
        worker.power_off()
    cluster.start_head()
    for number in (0, 1):
        cluster.start_worker(number)
    check("after the head lost its power the cluster comes back", until(lambda: cluster.nodes() == 2, 240))
    until(lambda: process.poll() is not None, 200)
    said = log.read_text(errors="replace")[-400:]
    check("who waited for the run is told, and gets 4", process.poll() == 4 and "the same submit resumes" in said.lower(), said)
    resumed = cluster.cli(*submit)
    said = resumed.stdout
    check("the same submit resumes the run", "resuming run" in said, re.findall(r"resuming.*", said) or said[-500:])
    kept = re.search(r"resuming run \S+: (\d+) of (\d+)", said)
    check("no committed shard is repeated", kept is not None and int(kept[1]) >= done, (done, kept and kept[0]))
    check("it ends with the run's exit code", resumed.returncode == 1, resumed.returncode)
    wrong = differing(cluster, reference, output)
    check("findings, ledger and rollup equal the local run's, row for row", not wrong, wrong)
    rows = table(output, cluster, "findings")
    check("every finding names the bundle", bool(rows) and {row["bundle_id"] for row in rows} == {bundle}, (len(rows), bundle))
    check("the bundle's rule found something", any("site" in row["rule_id"] for row in rows))
    bounds(cluster, check)


def nothing_tried(cluster: Cluster, check: Checks) -> None:
    """What the nodes' processes asked the kernel for, whether or not it would have succeeded. Ports on all addresses are theirs to open."""
    traces = sorted(path for host in (cluster.head, *cluster.workers) for path in (cluster.base / host.name).glob("trace.*"))
    if not traces:
        print("         strace is not installed: not traced", flush=True)
        return
    seen: Seen = Counter()
    for trace in traces:
        seen.update(read(trace))
    tried = {
        one: count
        for one, count in outside(seen).items()
        if one[0] != "bind" and not one[2].removeprefix("::ffff:").startswith(f"{NETWORK}.")
    }
    asked = {one: tried.pop(one) for one in ROUTE if one in tried}
    check(
        "no process of a node tried another address", not tried and sum(seen.values()) > 100, tried or f"{sum(seen.values())} calls traced"
    )
    print(f"         without a packet, Ray asked for the route to a public address: {sum(asked.values())} times", flush=True)


def bounds(cluster: Cluster, check: Checks) -> None:
    """Deadline, stop, and waiting for what others hold."""
    output = "s3://audits/bounded"
    submit = ["submit", "s3://corpus", "--output", output, "--address", cluster.address, *flags(cluster)]
    ended = cluster.cli(*submit, "--wait", "--deadline", "15s")
    check("a deadline ends with 3 and says what is left", ended.returncode == 3 and "shards left" in ended.stdout, ended.stdout[-200:])
    log = cluster.base / "submit-3.txt"
    first = cluster.client.open(VERITENSOR, *submit, "--wait", "--verbose", "--read-rate", "4kB", output=log)
    until(lambda: commits(cluster, log) >= 1 or first.poll() is not None, 120)
    name = next(
        one["id"] for one in json.loads(cluster.cli("jobs", "--address", cluster.address, "--json").stdout) if one["output"] == output
    )
    other = [*submit]
    other[3] = "s3://audits/other"
    waited = cluster.cli(*other, "--wait", "--wait-resources", "5s", timeout=200)
    said = waited.stdout
    check("the first run has not ended meanwhile", first.poll() is None, log.read_text()[-300:])
    check(
        "another run waits, and is told who holds what",
        waited.returncode == 4 and "waiting for resources" in said and re.search(rf"{name} \(job \w+\) holds 4 CPUs", said) is not None,
        said[-700:],
    )
    stopped = cluster.cli("stop", name, "--address", cluster.address)
    check("stop ends a run", stopped.returncode == 0 and "STOPPED" in stopped.stdout, stopped.stdout + stopped.stderr)
    check("and who waits for it gets 4", first.wait(90) == 4, first.returncode)
    nothing_tried(cluster, check)
