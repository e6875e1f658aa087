"""An output with many findings, whose texts differ as those of a real corpus do."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.findings.outputs import finding, written
from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.findings.schema import FINDINGS
from veritensor_ray.results.results import Results, find

_SYLLABLES = [f"{one}{vowel}" for one in "bdklmnrst" for vowel in "aeiou"]
_BATCH = 10_000
_ENGINES = ("signatures", "injection", "pii", "secrets")


def many(folder: Path, number: int, seed: int = 1) -> Results:
    """Write an output with `number` findings in a tenth as many files. Everything that is text is made of invented words."""
    rng = random.Random(seed)
    words = ["".join(rng.choices(_SYLLABLES, k=rng.randint(1, 4))) for _ in range(20_000)]

    def text(characters: int) -> str:
        return " ".join(rng.choices(words, k=characters // 6))[:characters]

    written(folder, [])
    files = [f"{rng.choice(words)}/{rng.choice(words)}-{one}.md" for one in range(max(1, number // 10))]
    with pq.ParquetWriter(folder / "findings" / "part-00000.parquet", FINDINGS) as writer:
        for start in range(0, number, _BATCH):
            rows = [
                finding(
                    rng.getrandbits(128),
                    files[one // 10],
                    {"line": one % 400, "start": 97 * (one % 400), "end": 97 * (one % 400) + 60},
                    engine=_ENGINES[one % 4],
                    rule_id=f"{_ENGINES[one % 4]}.rule-{one % 120}",
                    severity=SEVERITIES[min(4, int(rng.expovariate(0.7)))],
                    confidence=rng.randint(500, 1000) / 1000,
                    evidence=text(rng.randint(20, 200)),
                    evidence_before=text(rng.randint(0, 120)),
                    evidence_after=text(rng.randint(0, 120)),
                )
                for one in range(start, min(start + _BATCH, number))
            ]
            writer.write_table(pa.Table.from_pylist(rows, FINDINGS))
    return Results(*find(str(folder), {}))
