"""Write a copy of a corpus without its findings, and open what is known about the copy."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from veritensor_ray.api.arguments import path_of
from veritensor_ray.api.audit_object import Audit
from veritensor_ray.api.frames import escaped, html_table
from veritensor_ray.api.scanner import PolicyLike, clean_policy
from veritensor_ray.api.scanning import open as open_audit
from veritensor_ray.api.scanning import sources_of
from veritensor_ray.core.config import Settings, load_settings
from veritensor_ray.core.errors import UsageError
from veritensor_ray.core.safe_imports import Guard
from veritensor_ray.core.uris import real_bases
from veritensor_ray.core.wording import counted
from veritensor_ray.masking.redaction import visible

_SHOWN = 20  # rows in a notebook


def clean(
    source: str | Path | Sequence[str | Path],
    to: str | Path | None = None,
    *,
    cleaning_policy: PolicyLike = None,
    dry_run: bool = False,
    config: str | None = None,
    **options: Any,
) -> CleanedCopy:
    """Write a copy of a corpus without its findings to `to`, audit the copy, and return what became of every artifact.

    `cleaning_policy` is the path of a cleaning policy, or its content as a mapping; None means the defaults. With `dry_run`, nothing is written, and
    the result has counts and samples. `options` are configuration keys: engines=["secrets", "pii"], job="sweep". Repeating the call resumes
    an interrupted copy. Raises UsageError or CannotRunError.
    """
    sources = sources_of(source)
    if to is None and not dry_run:
        raise UsageError("a copy needs a destination; pass an empty folder or a URI as to=, or dry_run=True")
    folder = None if to is None else path_of(to, "the destination")
    with Guard(*real_bases(sources)):
        from veritensor_ray.jobs.cleaning_run import clean as cleaned

        settings = load_settings(config, {**options, "sources": sources, "output": folder})
        return CleanedCopy(cleaned(settings, clean_policy(cleaning_policy), dry_run=dry_run), settings)


class CleanedCopy:
    """The copy of a corpus without its findings. `run` is the content of its run.json, or of a dry run."""

    def __init__(self, run: Mapping[str, Any], settings: Settings) -> None:
        self.run, self._settings = dict(run), settings

    @property
    def folder(self) -> str:
        """The folder or URI with everything that was written. Raises UsageError after a dry run, which writes nothing."""
        if self.verdict == "dry-run":
            raise UsageError("a dry run writes nothing; call clean again without dry_run")
        return str(self._settings.output)

    @property
    def verdict(self) -> str:
        """`clean` if the audit of the copy found nothing at or above the level, `findings-left`, `incomplete`, `empty` or `dry-run`."""
        return str(self.run["verdict"])

    @property
    def results(self) -> dict[str, int]:
        """The number of artifacts by what became of them: copied, cleaned, quarantined, held, dropped or left-out."""
        return dict(self.run["results"])

    @property
    def left(self) -> dict[str, int]:
        """The number of findings at or above the policy's level that the audit found in the copy, by severity."""
        return dict(self.run["left"])

    @property
    def samples(self) -> list[dict[str, str]]:
        """A few changes of a dry run: `rule`, `action`, and the text `before` (with the value left out) and `after`."""
        return [dict(sample) for sample in self.run.get("samples") or ()]

    def manifest(self) -> pa.Table:
        """Return a table with one row per artifact: its result, digests, the reason, and the number of changes by rule and action."""
        from veritensor_ray.cleaning.copy_manifest import MANIFEST_NAME

        return self._table(MANIFEST_NAME)

    def rows(self) -> pa.Table:
        """Return a table with one row per row that was left out: artifact, member, row (counted from 0) and rule."""
        from veritensor_ray.cleaning.copy_manifest import ROWS_NAME

        return self._table(ROWS_NAME)

    @property
    def before(self) -> Audit:
        """The audit of the source."""
        return open_audit(f"{self.folder}/before", stores=self._settings.stores)

    @property
    def after(self) -> Audit | None:
        """The audit of the copy; None if no file is left in it."""
        return None if self.run["after"] is None else open_audit(f"{self.folder}/after", stores=self._settings.stores)

    def _table(self, name: str) -> pa.Table:
        import pyarrow.parquet as pq

        from veritensor_ray.core.errors import IncompleteOutput
        from veritensor_ray.stores.filesystems import absolute
        from veritensor_ray.stores.outputs import OutputStore

        data = OutputStore(absolute(self.folder), self._settings.stores).read(name)
        if data is None:
            raise IncompleteOutput(f"{self.folder} has no {name}; call clean again")
        return pq.read_table(io.BytesIO(data))

    def __repr__(self) -> str:
        where = "dry run" if self.verdict == "dry-run" else visible(self.folder)
        return f"<CleanedCopy {where}: {self._counts()}>"

    def _counts(self) -> str:
        results = ", ".join(f"{count:,} {name}" for name, count in self.results.items() if count)
        left = ", ".join(f"{count:,} {name}" for name, count in self.left.items())
        changes = counted(self.run["changes"], "change")
        return f"{results or 'no artifacts'}; {changes}; {self.verdict}" + (f": {left}" if left else "")

    def _repr_html_(self) -> str:
        rows = [(one["count"], one["action"], one["rule"]) for one in self.run["actions"][:_SHOWN]]
        shown = html_table(("count", "action", "rule"), rows) if rows else ""
        changes = html_table(("rule", "before", "after"), [(one["rule"], one["before"], one["after"]) for one in self.samples])
        return f"<p>{escaped(self._counts())}</p>{shown}{changes if self.samples else ''}"
