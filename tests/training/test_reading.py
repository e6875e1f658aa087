"""Documents are read whole, with what is in them."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

from training.documents import may_train, real
from training.reading import read_folder


def test_a_folder_is_read_whole_and_with_what_is_in_its_archives(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("It was a dark and stormy night.\n" * 60_000 + "The very last line.\n")
    (tmp_path / "cells.csv").write_text("name,answer\nada,forty-two\n")
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        archive.writestr("inner/note.md", "# A note inside\n")
    rows, batches = read_folder(tmp_path)
    assert len(rows) == 3
    texts = [text for batch in batches for text in batch.column("text").to_pylist()]
    for wanted in ("The very last line.", "forty-two", "A note inside"):
        assert sum(wanted in text for text in texts) == 1
    assert {owner for batch in batches for owner in batch.column("artifact").to_pylist()} == {0, 1, 2}
    assert len(read_folder(tmp_path, lambda rows: rows[:2])[0]) == 2


def test_real_documents_are_told_by_kind_and_some_kinds_are_never_trained_on(tmp_path: Path) -> None:
    for kind in ("ham", "legal"):
        with tarfile.open(tmp_path / f"{kind}.tar.xz", "w:xz") as packed:
            for number in range(12):
                note = tmp_path / f"{number}.txt"
                note.write_text(f"Note number {number} of kind {kind}.\n")
                packed.add(note, note.name)
    documents = real(tmp_path)
    assert [d.group for d in documents] == ["real: ham"] * 12 + ["real: legal"] * 12
    assert {d.may_train for d in documents if d.group == "real: ham"} == {True, False}
    assert not any(d.may_train for d in documents if d.group == "real: legal")
    assert all(d.may_train == may_train(d.group[6:], d.package) for d in documents)
    assert documents[0].segments
