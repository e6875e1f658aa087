"""Read the passage of a finding back from the corpus, in the bounded process.

It refuses if the artifact has changed since it was scanned.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from veritensor_ray.core.config import Limits, Settings
from veritensor_ray.core.errors import CannotRunError, NotAsScanned, StoreError, UsageError, VeritensorError
from veritensor_ray.core.media_types import TAR
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.uris import is_local
from veritensor_ray.core.wording import counted
from veritensor_ray.corpus.listing import Listed, Root, unprintable, walk
from veritensor_ray.corpus.planning import BYTE_RANGES, PlanRow
from veritensor_ray.corpus.tables.snapshot_listing import Tables, stored_version, view_of
from veritensor_ray.pipeline.bounded import process
from veritensor_ray.pipeline.context import Context, Workbench
from veritensor_ray.pipeline.extract import Extraction, Pulse
from veritensor_ray.pipeline.passages.finder import Finder, Sought
from veritensor_ray.pipeline.passages.passage import Amount, Passage
from veritensor_ray.pipeline.splitting import splitter
from veritensor_ray.stores.filesystems import denied

_AGAIN = "Nothing is shown. Scan it again and use the finding from that run"


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the bounded process.

    `known` is the content ID of the artifact and its kind, `key` the site key or empty. `blind` is true if the artifact has more findings
    than rows, so any word in it may be one that must not be shown, and `samples` if it has an archive whose files are samples.
    """

    settings: Settings
    root: Root
    entry: Listed
    known: tuple[str | None, str | None]
    wanted: Sought
    others: tuple[Sought, ...]
    amount: Amount
    key: bytes
    reveal: bool
    blind: bool
    samples: bool


def read_back(
    finding: Mapping[str, Any],
    others: Sequence[Mapping[str, Any]] | None,
    artifact: Mapping[str, Any],
    limits: Mapping[str, Any],
    *,
    place: int,
    amount: Amount,
    key: bytes,
    given: Settings,
) -> Passage:
    """Return the passage of a finding at one of its places, counted from 1.

    `others` are rows of the same artifact whose values the passage must not show; None reveals them all. `limits` are those of the run, and
    `given` are settings with the stores and plug-ins of today. Raises UsageError for a finding without a location, NotAsScanned if the
    artifact or the location is no longer there, or CannotRunError.
    """
    name = str(finding["artifact"])
    wanted = _sought(finding, _location(finding, place), first=place == 1)
    root, entry = _entry(artifact, given)
    _check_unchanged(entry, artifact)
    settings = _settings(limits, root, given)
    reveal, others = others is None, others or ()
    hidden = tuple(_sought(row, at, first=n == 0) for row in others for n, at in enumerate(_places(row)))
    known = artifact["content_id"], artifact["content_id_kind"]
    blind = any(row["location"] is None for row in others)
    request = Request(settings, root, entry, known, wanted, hidden, amount, key, reveal, blind, _has_samples(artifact))
    try:
        answer, _ = process.SHARED.call("passage", request, seconds=settings.limits.artifact_seconds, memory=settings.limits.worker_memory)
    except process.Died as death:
        raise CannotRunError(f"{name} could not be read back: {death}. Increase limits.worker_memory or limits.artifact_seconds") from None
    return _passage(finding, wanted, answer, reveal, blind)


def _has_samples(artifact: Mapping[str, Any]) -> bool:
    """Return whether a tar in the artifact, or the artifact itself, is a table: its rows are samples."""
    names = [table["member"] for table in artifact.get("tables") or () if table["part"] is None]
    return any((artifact["media_type"] == TAR) if name is None else name.endswith(".tar") for name in names)


def _location(finding: Mapping[str, Any], place: int) -> Mapping[str, Any]:
    """Return the location of a finding. Raises UsageError if it is not one location in a text or in bytes."""
    listed = [finding["location"], *(finding.get("places") or ())]
    if not 1 <= place <= len(listed):
        raise UsageError(f"this finding lists {counted(len(listed), 'place')}; there is no place {place}")
    at: Mapping[str, Any] | None = listed[place - 1]
    if at is None:
        raise UsageError("this row summarizes many findings that have no rows. Choose a finding of the same rule that has a location")
    if at["view"] == "ocr":
        where = f"page {at['page']}, " if at.get("page") is not None else ""
        box = f" at {', '.join(map(str, at['box']))} (left, top, right, bottom)" if at.get("box") else ""
        raise UsageError(
            f"this text was read in an image, and images cannot be read back. Look at {finding['artifact']}, {where}image{box}"
        )
    return at


def _places(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [at for at in (row["location"], *(row.get("places") or ())) if at is not None and at["view"] != "ocr"]


def _sought(row: Mapping[str, Any], at: Mapping[str, Any], first: bool) -> Sought:
    around = (row["evidence_before"] or "", row["evidence_after"] or "") if first else None
    return Sought(row["member"], dict(at), row["category"], row["evidence"] or "", around)


def _settings(limits: Mapping[str, Any], root: Root, given: Settings) -> Settings:
    """Return the settings that the artifact was read with, as far as they affect readers. Results never name plug-ins, which run code."""
    try:
        return Settings(
            limits=Limits.model_validate(limits),
            stores=given.stores,
            sources=[root.uri],
            plugins=given.plugins,
            plugin_folder=given.plugin_folder,
        )
    except ValidationError:
        raise NotAsScanned(f"the run used limits that this version does not support. {_AGAIN}") from None


def _entry(artifact: Mapping[str, Any], given: Settings) -> tuple[Root, Listed]:
    """Return the artifact as it is listed now. Raises NotAsScanned if it is gone, CannotRunError if it is unreachable."""
    uri, name = str(artifact["uri"]), str(artifact["artifact"])
    if not uri.endswith(f"/{name}"):
        name = name.partition("/")[2]  # the rest, after the name of one of several sources
    base = uri.removesuffix(name).rstrip("/") or "/"
    root = Root(base, "", os.fsdecode(unprintable(name)) if is_local(uri) else name, version=stored_version(artifact["etag"]))
    try:
        entry = next(walk(root, given.stores))
        is_viewed = entry.status is None and view_of(artifact["etag"]) is not None
        shown = _in_table(root, entry, given) if is_viewed else entry
    except FileNotFoundError:
        raise NotAsScanned(f"{uri} no longer exists. {_AGAIN}") from None
    except VeritensorError:
        raise
    except Exception as error:  # noqa: BLE001  # every store raises its own kind
        raise StoreError(denied(uri, "read", error)) from None
    if entry.reason_code == ReasonCode.NOT_FOUND:
        raise NotAsScanned(f"{uri} no longer exists. {_AGAIN}")
    if entry.reason_code is not None and entry.reason_code != ReasonCode.NOT_A_FILE:
        raise StoreError(f"{uri}: {entry.reason}. Read it as a user with permission")
    if shown.status is not None:
        raise NotAsScanned(f"{uri} can no longer be read back: {shown.reason}. {_AGAIN}")
    return root, shown


def _in_table(root: Root, entry: Listed, given: Settings) -> Listed:
    """Return a data file of a table as the latest snapshot has it."""
    tables = Tables(given.stores, process.snapshots(given))
    return tables.in_table(entry, os.fsdecode(entry.path) if is_local(root.uri) else f"{root.uri}/{root.single}")


def _check_unchanged(entry: Listed, artifact: Mapping[str, Any]) -> None:
    changed = [
        words
        for name, words in (("size", "size"), ("etag", "etag"), ("mtime", "modification time"))
        if (before := artifact[name]) is not None and (now := getattr(entry, name)) is not None and not _same(before, now)
    ]
    if changed:
        raise NotAsScanned(f"{artifact['artifact']} has changed since it was scanned: different {' and '.join(changed)}. {_AGAIN}")


def _same(before: object, now: object) -> bool:
    """Compare two times. Stores report whole seconds for one object, and some are more precise in a listing."""
    return before == now or (isinstance(before, float) and isinstance(now, float) and int(before) == now)


def found_again(request: Request, pulse: Pulse) -> dict[str, Any]:
    """Run in the bounded process on behalf of `read_back`."""
    settings, entry = request.settings, request.entry
    rows = _rows(request, splitter(settings)(entry, request.root) if (entry.size or 0) > settings.limits.split_bytes else [])
    finder = Finder(request.wanted, request.others, request.amount, request.key, request.reveal, request.blind, request.samples)
    context = Context(settings, (request.root,), (), b"", "")
    extraction = Extraction(context, rows, Workbench((finder,), {}), (), pulse)
    finder.begin(extraction.outcomes, rows[0].kind)
    for _ in extraction.batches():
        pass
    for outcome in extraction.outcomes:
        if outcome.reason_code == ReasonCode.CHANGED_DURING_RUN:
            raise NotAsScanned(f"{entry.artifact} changed while it was being read. {_AGAIN}")
        for gap in outcome.gaps:
            if gap.engine == finder.name:
                raise CannotRunError(f"{entry.artifact} could not be read back: {gap.reason}")
    kind, content = request.known[1], [outcome.content_id or "" for outcome in extraction.outcomes]
    now = {"sha256": content[0], "blocks": hashlib.sha256("".join(content).encode()).hexdigest()}
    if kind in now and now[kind] != request.known[0]:
        raise NotAsScanned(f"{entry.artifact} has changed since it was scanned: its content differs. {_AGAIN}")
    if (name := finder.ambiguous()) is not None:
        raise CannotRunError(
            f"several names in {entry.artifact} are masked as {name}, and only the site key of the run can distinguish them. "
            "Set site_key to that key"
        )
    answer = finder.answer()
    if answer is None:
        raise NotAsScanned(
            f"the finding was not found in {entry.artifact}, although it has not changed: a different version scanned it. {_AGAIN}"
        )
    return answer


def _rows(request: Request, cuts: Sequence[tuple[str, int, int]]) -> list[PlanRow]:
    """Return the artifact in one piece, or in the parts in which it was scanned."""
    entry = request.entry
    whole = PlanRow(0, entry.artifact, entry.path, 0, entry.size, entry.etag, entry.mtime, view=entry.view)
    if not cuts or (cuts[0][0] in BYTE_RANGES and request.known[1] == "sha256"):
        return [whole]
    return [replace(whole, part=n, parts=len(cuts), kind=kind, start=start, end=end) for n, (kind, start, end) in enumerate(cuts)]


def _passage(finding: Mapping[str, Any], wanted: Sought, answer: Mapping[str, Any], reveal: bool, blind: bool) -> Passage:
    """Convert the answer to a passage and check its types, because the process that gave it has read a hostile file."""
    before, text, after, kind = (str(answer[name]) for name in ("before", "text", "after", "kind"))
    at = wanted.location
    first = None
    if kind == "bytes":
        first = int(at["byte_offset"]) - len(before)
    elif at.get("line") is not None and answer.get("numbered", True):
        first = int(at["line"]) - before.count("\n")
    cells = tuple((str(name), str(value)) for name, value in answer.get("cells", ()))
    start, hit, end = (bool(one) for one in answer["cut"])
    return Passage(finding, at, before, text, after, kind, first, cells, reveal, (start, hit, end), blind)
