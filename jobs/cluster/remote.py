"""Runs on a cluster, through Ray's Jobs API, from a client that needs neither models nor torch: submit, follow, stop."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import os
import re
import secrets
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import CannotRunError, UsageError
from veritensor_ray.core.uris import is_local
from veritensor_ray.jobs.cluster import ray_internals
from veritensor_ray.jobs.cluster.outside_calls import PROBE, of_probe
from veritensor_ray.jobs.cluster.reachability import cluster_token, jobs_api, refused
from veritensor_ray.jobs.scheduling.deadline import deadline_at
from veritensor_ray.masking.secret_kinds.uri_credentials import without_credentials
from veritensor_ray.stores.filesystems import absolute, check_credentials

PREFIX = "veritensor-"
# Settings for this client only: how it reaches the cluster and shows the output, and where its own keys and bundles are.
_CLIENT_ONLY: Any = {"address": True, "cluster": True, "log_format": True, "trusted_keys": True, "bundle": {"folder"}}
_QUIET = 30.0  # seconds without a line, after which the state is requested
_LOST = 120.0  # seconds without an answer, after which the client gives up
_PROGRESS = re.compile(r"^\d\d:\d\d:\d\d ", re.MULTILINE)  # how each line about the progress of a run begins
_AGENT = (
    "the head takes no jobs, because its agent does not run. Usually another Ray on that machine already uses the agent's port, 52365: start "
    "the head with --dashboard-agent-listen-port=0, or end the other Ray"
)
_NOT_FOUND = 127  # the exit code of a shell for an unknown command


@dataclass(frozen=True, slots=True)
class Submission:
    """A run as the cluster reports it. `state` is Ray's: PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED; times follow the cluster's clock."""

    id: str
    state: str
    output: str
    sources: str
    message: str
    started: datetime | None
    ended: datetime | None
    exit_code: int | None

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.state in ("SUCCEEDED", "FAILED", "STOPPED")

    @property
    def remedy(self) -> str | None:
        """Advice if the head could not even start the run; None for a run that was started."""
        if self.exit_code != _NOT_FOUND:
            return None
        return (
            "the head has no command veritensor-ray: install the package there, where Ray finds it on PATH, or start head and workers from a "
            "container image that includes it (docs/images.md)"
        )


def submission_id(output: str) -> str:
    """Returns the submission id for an output. It is always the same, so that two runs that would write the same output collide."""
    return PREFIX + hashlib.sha256(absolute(output).encode()).hexdigest()[:12]


def entrypoint(settings: Settings, command: str = "submit", more: Sequence[str] = ()) -> str:
    """Returns the command for the head. It holds only settings that this user set, so that the cluster's configuration supplies the rest.

    `more` are arguments of the command besides the settings; those that do not begin with a dash are paths. Raises UsageError for paths that
    mean nothing on the cluster.
    """
    if not settings.sources or not settings.output:
        raise UsageError("a run on a cluster needs at least one source and --output: a URI, or a path that all nodes see")
    check_credentials(settings)
    paths = [*settings.sources, settings.output, *settings.rules, *settings.iocs, settings.dependencies.database or "/"]
    paths += [path for path in more if not path.startswith("-")]
    paths += [path for path in (settings.policy, settings.metrics, settings.notify.ca_bundle) if path]
    paths += [
        key.removeprefix("file:")
        for key in (settings.site_key, settings.sign_key, settings.notify.secret, settings.notify.url)
        if key and key.startswith("file:")
    ]
    if relative := [path for path in paths if is_local(path) and not path.removeprefix("file://").startswith("/")]:
        raise UsageError(f"{relative[0]} is looked up on the cluster's nodes; give an absolute path there, or a URI")
    given = settings.model_dump(mode="json", exclude_unset=True, exclude=_CLIENT_ONLY)
    given["sources"] = [absolute(source) for source in settings.sources]
    if settings.deadline:
        given["deadline"] = deadline_at(settings.deadline, datetime.now().astimezone()).isoformat(timespec="seconds")
    if settings.cluster.wait_resources:
        given["cluster"] = {"wait_resources": settings.cluster.wait_resources}
    words = ["veritensor-ray", *command.split(), "--address", "auto", "--settings", json.dumps(given, separators=(",", ":")), *more]
    return shlex.join(words)


def _could_begin(run: Submission) -> Submission:
    if run.remedy:
        raise CannotRunError(run.remedy)
    return run


class JobsClient:
    """A client for a cluster's Jobs API. All methods raise CannotRunError with the remedy."""

    def __init__(self, settings: Settings) -> None:
        from ray.job_submission import JobSubmissionClient
        from requests.utils import get_environ_proxies

        self.address = settings.address or ""
        if not get_environ_proxies(self.address):  # behind a proxy, the cluster may not be reachable directly
            jobs_api(self.address)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        self._token = cluster_token(settings)
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else None
        verify: str | bool = settings.cluster.ca_bundle or True
        self._ray: Any = self._asked(lambda: JobSubmissionClient(self.address, headers=headers, verify=verify))
        ray_internals.prepare_client(self._ray, settings.cluster.ca_bundle)

    def submit(self, settings: Settings, command: str) -> tuple[Submission, bool]:
        """Submit a run, or find the one that is already writing this output. Returns it, and whether it is new."""
        name = submission_id(str(settings.output))
        known = self._find(name)
        if known is not None:
            if not known.over:
                return known, False
            self._asked(lambda: self._ray.delete_job(name))  # frees the id of an ended run; its results are in its output
        about = {
            "job": settings.job,
            "output": without_credentials(str(settings.output)),
            "sources": without_credentials(" ".join(settings.sources)),
        }
        self._asked(lambda: self._ray.submit_job(entrypoint=command, submission_id=name, metadata=about))
        return self.get(name), True

    def list(self) -> list[Submission]:
        """Returns the runs of this package, newest first."""
        jobs = self._asked(self._ray.list_jobs)
        found = [_submission(job) for job in jobs if (job.submission_id or "").startswith(PREFIX)]
        return sorted(found, key=lambda one: one.started or datetime.max.replace(tzinfo=UTC), reverse=True)

    def get(self, name: str) -> Submission:
        """Returns one run."""
        found = self._find(name)
        if found is None:
            raise CannotRunError(f"{self.address} has no run {name}; `veritensor-ray jobs --address {self.address}` lists the runs")
        return found

    def stop(self, name: str) -> Submission:
        """Stop a run. Committed work stays, and the same submit resumes from there."""
        if not self.get(name).over:
            self._asked(lambda: self._ray.stop_job(name))
        give_up = time.monotonic() + _QUIET
        while not (seen := self.get(name)).over and time.monotonic() < give_up:
            time.sleep(0.5)
        return seen

    def outside(self) -> str | None:
        """Returns what the head sends to places outside the cluster; None if nothing. A short job looks at the environment of the head."""
        statistics: bool = self._asked(lambda: ray_internals.reports_usage(self._ray))
        name = f"doctor-{secrets.token_hex(6)}"  # not listed among the runs
        self._asked(lambda: self._ray.submit_job(entrypoint=PROBE, submission_id=name))
        give_up = time.monotonic() + _QUIET
        while not (seen := self.get(name)).over and time.monotonic() < give_up:
            time.sleep(0.5)
        if seen.state != "SUCCEEDED":
            raise CannotRunError(
                f"{self.address} did not finish a job that prints one line ({seen.state}): {seen.message}; check the logs of its head"
            )
        said = of_probe(self.logs(name), statistics)
        self._asked(lambda: self._ray.delete_job(name))
        return said

    def logs(self, name: str) -> str:
        """Returns everything that the run has printed so far."""
        self.get(name)
        return str(self._asked(lambda: self._ray.get_job_logs(name)))

    def begin(self, name: str) -> Submission:
        """Wait until a new run says what it does, has ended, or has been quiet for half a minute since the head started it.

        The log's first lines are those of Ray and of the shell, which may also say that there is no such command. Raises CannotRunError if the head has no such command.
        """
        give_up = math.inf
        while not (seen := self.get(name)).over and not _PROGRESS.search(self.logs(name)) and time.monotonic() < give_up:
            if give_up == math.inf and seen.state != "PENDING":  # a busy head takes its time, and Ray ends what it cannot start
                give_up = time.monotonic() + _QUIET
            time.sleep(0.5)
        return _could_begin(seen)

    def follow(self, name: str, write: Callable[[str], None]) -> Submission:
        """Pass on the run's output until it has ended. A broken connection is restored, and nothing is printed twice.

        Raises CannotRunError, also if the head has no such command.
        """
        return _could_begin(asyncio.run(self._follow(name, write)))

    async def _follow(self, name: str, write: Callable[[str], None]) -> Submission:
        printed, answered = 0, time.monotonic()
        while True:
            skip = printed
            try:
                lines = self._ray.tail_job_logs(name)
                while True:
                    text = await asyncio.wait_for(anext(lines), _QUIET)
                    answered = time.monotonic()
                    new, skip = text[skip:], max(0, skip - len(text))
                    printed += len(new)
                    write(new)
            except (StopAsyncIteration, TimeoutError):
                pass  # ended, or silent: the state below distinguishes them
            except Exception as error:  # noqa: BLE001  # errors of aiohttp and Ray: the connection broke
                self._give_up(error, answered)
            try:
                seen = self._find(name)
            except CannotRunError as error:
                self._give_up(error, answered)
            else:
                answered = time.monotonic()
                if seen is None:
                    raise CannotRunError(f"{self.address} has lost {name}, because its head was restarted. The same submit resumes the run")
                if seen.over:
                    write(self.logs(name)[printed:])
                    return seen
            await asyncio.sleep(1)

    def _give_up(self, error: Exception, answered: float) -> None:
        if time.monotonic() - answered > _LOST:
            raise CannotRunError(
                f"{self.address} has not answered for {_LOST:.0f} s ({error}); once it is back, the same submit resumes the run"
            ) from None

    def _find(self, name: str) -> Submission | None:
        return next((_submission(job) for job in self._asked(self._ray.list_jobs) if job.submission_id == name), None)

    def _asked(self, call: Callable[[], Any]) -> Any:
        """Returns the cluster's answer. Raises an error that says what to do."""
        import requests
        from ray.exceptions import AuthenticationError

        try:
            return call()
        except AuthenticationError:
            raise refused(self.address, self._token) from None
        except requests.exceptions.SSLError as error:
            raise CannotRunError(f"{self.address}: its certificate is not trusted ({error}); set cluster.ca_bundle") from None
        except (ConnectionError, requests.exceptions.RequestException):
            raise CannotRunError(
                f"no Ray dashboard answers at {self.address}; give the head's http://HOST:8265, and check that it is up"
            ) from None
        except RuntimeError as error:
            if ray_internals.has_no_agent(error):
                raise CannotRunError(f"{self.address}: {_AGENT}") from None
            raise CannotRunError(f"{self.address}: {str(error).strip()[:500]}") from None


def _submission(job: Any) -> Submission:
    about = job.metadata or {}
    started, ended = (datetime.fromtimestamp(ms / 1000, UTC) if ms else None for ms in (job.start_time, job.end_time))
    return Submission(
        id=str(job.submission_id),
        state=str(getattr(job.status, "value", job.status)),
        output=about.get("output", ""),
        sources=about.get("sources", ""),
        message=(job.message or "").strip(),
        started=started,
        ended=ended,
        exit_code=job.driver_exit_code,
    )
