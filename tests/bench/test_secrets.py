"""Findings are laid beside labels as the page about `secrets` says."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bench.secrets_sets import f1, labelled

KEY, OTHER, PASSWORD = "f7a1c93e5b2d8460", "9b3e7d1a5c8f2046", "kQ83jdLs2"
FILES = {
    "one/app.py": f'api_key = "{KEY}"\npassword = getpass()\nprint("é")\ntoken = "{OTHER}"\n',
    "two/app.json": json.dumps({"login": {"password": PASSWORD}, "title": "none"}),
}
LINES = [  # path, line, label, value
    ("one/app.py", 1, 1, KEY),
    ("one/app.py", 2, 0, None),
    ("one/app.py", 4, -1, OTHER),
    ("two/app.json", 1, 1, PASSWORD),
    ("two/app.json", 1, 1, "none"),
]


def test_a_finding_belongs_to_the_label_whose_value_it_overlaps(tmp_path: Path) -> None:
    files = [{"path": path, "repo": path[:3], "text": text} for path, text in FILES.items()]
    lines = []
    for path, line, label, value in LINES:
        text = FILES[path].splitlines()[line - 1]
        start = text.index(value) if value else -1
        place = {"value_start": start, "value_end": start + len(value) if value else -1, "line_start": line, "line_end": line}
        lines.append({"text": text, "path": path, "repo": path[:3], "label": label, "kind": "Key", **place})
    pq.write_table(pa.Table.from_pylist(files), tmp_path / "labelled_files.parquet")
    pq.write_table(pa.Table.from_pylist(lines), tmp_path / "labelled_lines.parquet")
    rows, elsewhere = labelled(tmp_path)
    assert [[one.text for one in row.found] for row in rows] == [[KEY], [], [OTHER], [PASSWORD], []]
    assert not any(elsewhere.values())
    assert f1(rows, "low") == (1, 2 / 3, 0.8)
