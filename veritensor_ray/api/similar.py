"""Find findings whose evidence resembles that of a finding, by the sequences of characters that they share."""

from __future__ import annotations

import pyarrow as pa

from veritensor_ray.core.errors import UsageError
from veritensor_ray.masking.redaction import PERSONAL, SECRET
from veritensor_ray.results.results import Results

_MASKED = (SECRET, PERSONAL)  # categories whose evidence consists of asterisks
_TEXT = r"trim(regexp_replace(lower({}), '\s+', ' ', 'g'))"
_LENGTH = 3  # characters in a sequence: short enough for languages without spaces between words


def _sequences(text: str) -> str:
    """Return SQL for the list of different sequences in a text; a shorter text is one sequence."""
    return f"list_distinct(list_transform(range(greatest(length({text}) - {_LENGTH - 1}, 1)), lambda i: substr({text}, i + 1, {_LENGTH})))"


# Each different text is compared once, however often it was found. Its own sequences are only counted if it has enough of those wanted.
_QUERY = f"""
    WITH given AS (SELECT ?::VARCHAR AS text, ?::VARCHAR AS finding, ?::DOUBLE AS least, ?::VARCHAR[] AS masked),
    asked AS (SELECT *, {_sequences(_TEXT.format("text"))} AS wanted FROM given),
    texts AS (SELECT evidence, {_TEXT.format("evidence")} AS text FROM findings, given
        WHERE evidence IS NOT NULL AND NOT list_contains(masked, category) GROUP BY ALL),
    shared AS (SELECT evidence, t.text, len(list_filter(wanted, lambda w: contains(t.text, w))) AS shared FROM texts t, asked),
    near AS (SELECT evidence, s.text, shared, len(wanted) AS wanted, least FROM shared s, asked WHERE shared >= least * len(wanted)),
    compared AS (SELECT evidence, shared / (len({_sequences("text")}) + wanted - shared) AS similarity, least FROM near)
    SELECT round(similarity, 3) AS similarity, f.* FROM findings f JOIN compared USING (evidence), given
    WHERE similarity >= given.least AND NOT list_contains(masked, f.category)
    ORDER BY f.finding_id = finding DESC, similarity DESC, f.artifact, f.finding_id"""  # noqa: S608  # constants


def similar_to(results: Results, finding: str, least: float, limit: int) -> pa.Table:
    """Return the rows of findings that resemble one, itself first, with the column `similarity`; see `Audit.similar`."""
    if not 0 < least <= 1:
        raise UsageError(f"least must be a number above 0 and up to 1, not {least}; 1 keeps only equal evidence")
    row = results.finding(finding)
    if row["category"] in _MASKED or not row["evidence"]:
        why = "is masked" if row["evidence"] else "is empty"
        raise UsageError(
            f"the evidence of finding {row['finding_id']} {why}, so it cannot be compared; to find equal content, compare content_fingerprint"
        )
    with results.reader(f"{_QUERY} LIMIT {int(limit)}", [row["evidence"], row["finding_id"], float(least), list(_MASKED)]) as reader:
        return reader.read_all()
