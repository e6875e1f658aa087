"""The model card of the injection model, and the seal of a model folder; it knows no training."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training import texts
from training.documents import Document
from training.injection_samples import MEASURE_ONLY, TRAIN_ON, labelled

LOCK = "digests.json"
CARD = """# Embedded prompt-injection model

Two models, mixed: a DeBERTa-v2 classifier (six layers, no relative attention, {parameters:.1f}M parameters, fp16 on disk) that
starts from all-MiniLM-L6-v2 (Apache-2.0), and TF-IDF with logistic regression over hashed words (`linear.safetensors`). Made by
`python -m training {options}`. A window has {window} tokens, the next starts {stride} later. Its score is
{mix[0]} · log odds of the transformer + {mix[1]} · log odds of the linear model + {mix[2]}; a document's score is its highest.

The linear model is also the first stage of the cascade: only stretches of 320 characters that it scores {gate} or more are read by
the transformer: {passed:.1%} of the windows of clean documents.

## Thresholds

| severity | from | clean documents that reach it |
| --- | --- | --- |
| `medium` | {medium} | {clean_medium:.2%} |
| `high` | {high} | {clean_high:.2%} |

Set on {documents} clean documents (the first 3,000 characters of each) of packages that were never trained on; games and manual
pages are kinds that no training saw. The sample resolves no rate below 1 of {documents}: `high` is a margin above its highest score.

## Measured

Through the cascade; the last two columns are the models alone at thresholds set in the same way (recall / false).

{table}

Not trained on at all: {only}. Of the other public sets the rows show a fifth that was kept apart, whose origin the model knows.
'Own lines kept apart' are written by the same authors as those trained on, so they flatter.

## Trained on

{labelled}

{sources}

Our own lines are in `training/injection/` ({own} lines, {languages}). Benign documents: {all_documents} of {packages} packages,
under these licences as their packagers state them: {licences}.

## Not good for

Languages that are not listed. Encoded, spelled-out or split orders. Plain requests without any sign that they are meant for a
model. Benign prompts that ask for a role are the likeliest false alarms. Thresholds say little about text unlike what they were set on.

## Files (SHA-256)

{digests}
"""


def digests(out: Path, but: Sequence[str]) -> dict[str, str]:
    """SHA-256 of the folder's files."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(out.iterdir()) if p.name not in but}


def seal(out: Path) -> None:
    """The lock that `veritensor_ray.models.model_store` verifies before it loads the model."""
    (out / LOCK).write_text(json.dumps(digests(out, [LOCK]), indent=1) + "\n", "utf-8")
    for path in out.iterdir():
        path.chmod(0o644)


def write(out: Path, data: Path, facts: dict[str, Any], documents: Sequence[Document], options: str) -> None:
    """README.md: what the model was made of and what was measured. Then the seal."""
    counts = facts["trained_on"]
    sets = [
        f"- {n}: {', '.join(sorted(set(labelled(data, n).license)))}; {counts[n][1]} injections, {counts[n][0]} benign" for n in TRAIN_ON
    ]
    other = sorted(set(counts) - set(TRAIN_ON))
    licences = Counter(d.licence for d in documents)
    own = list(texts.lines())
    (out / "README.md").write_text(CARD.format(
        parameters=facts["parameters"], options=options, window=facts["window_tokens"], stride=facts["stride_tokens"], mix=facts["mix"],
        gate=facts["gate"], passed=facts["passed_by_the_gate"], documents=facts["clean_documents"], table=facts["table"],
        clean_medium=facts["clean"]["all"]["medium"], clean_high=facts["clean"]["all"]["high"], **facts["thresholds"],
        only=", ".join(MEASURE_ONLY), labelled="\n".join(sets), own=len(own), languages=", ".join(sorted({line.language for line in own})),
        sources="\n".join(f"- {s}: {counts[s][1]} with an injection, {counts[s][0]} benign" for s in other),
        all_documents=len(documents), packages=len({d.package for d in documents}),
        licences=", ".join(f"{name} ({n})" for name, n in licences.most_common()),
        digests="\n".join(f"- `{n}` `{d}`" for n, d in digests(out, ["README.md", LOCK]).items()),
    ), "utf-8")  # fmt: skip
    seal(out)
