"""Label findings from Python, and see how precise each rule is. Storing and computing are those of the command line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from veritensor_ray.api.arguments import described
from veritensor_ray.api.frames import frame
from veritensor_ray.core.errors import UsageError
from veritensor_ray.results.labels import labels_of, put_labels
from veritensor_ray.results.new_suppressions import Scope
from veritensor_ray.results.precision import RulePrecision, check_target, precision
from veritensor_ray.results.results import Results

if TYPE_CHECKING:
    import pandas as pd

_PRECISION = pa.schema(
    [
        ("rule", pa.string()),
        *((name, pa.int64()) for name in ("true", "false", "findings", "unlabelled")),
        *((name, pa.float64()) for name in ("precision", "low", "high", "min_confidence")),
        ("why_not", pa.string()),
    ]
)


def labelled(results: Results, value: object, finding: str | Iterable[str] | None, where: str | None) -> int:
    """Label findings; see `Audit.label`."""
    if value is not None and not isinstance(value, bool):
        raise UsageError(f"a label is True or False, or None to remove it, not {described(value)}")
    ids = [finding] if isinstance(finding, str) else list(finding) if finding is not None else []
    if bool(ids) == (where is not None):
        raise UsageError("name findings by their ids, or describe them with where=; exactly one of the two")
    results.check()
    scope = Scope("filter", where=where or "", ids=tuple(results.finding(one)["finding_id"] for one in ids))
    count = put_labels(results, scope, value)
    if not count:
        raise UsageError("no finding was labelled: none matches, or those that match only count the matches beyond limits.hits_per_rule")
    return count


def precision_of(results: Results, target: float, rule: str, others: Sequence[Results]) -> pd.DataFrame:
    """Return the precision of each rule; see `Audit.precision`."""
    check_target(target, "target")
    rows = [_row(one) for one in precision(results, labels_of(results, others), target, rule)]
    return frame(pa.Table.from_pylist(rows, _PRECISION))


def _row(one: RulePrecision) -> dict[str, Any]:
    least = one.threshold.min_confidence if one.threshold else None
    return {name: getattr(one, name) for name in _PRECISION.names if name != "min_confidence"} | {"min_confidence": least}
