"""Trains the embedded models that ship in the package.

    python -m training.corpora GATHERED
    python -m training injection --data ../shared/data --gathered GATHERED --out veritensor_ray/models/embedded/injection
    python -m training pii --data ../shared/data --out FOLDER
    python -m training.pii_export FOLDER veritensor_ray/models/embedded/pii
    python -m training tagger --data ../shared/data --gathered GATHERED --spacy PYTHON --out veritensor_ray/models/embedded/pii

PYTHON is an interpreter that has spaCy and its small English model. Repeatable for the same seed, the same documents, the same hardware and
library versions. Needs the `train` extra.
"""

from __future__ import annotations

import argparse
import os
import random
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

from training import injection, pii, pii_tagger
from training.documents import collect, gathered, real
from training.pii_card import seal, tagger_card


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("role", choices=["injection", "pii", "tagger"])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds injection/*.parquet and pii/*.parquet")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--clean", type=Path, nargs="*", default=[], help="folders of more benign text")
    parser.add_argument("--clean-documents", type=int, default=4000, help="pii: held-out documents to calibrate on")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the largest number of samples; training time grows with it")
    parser.add_argument("--gathered", type=Path, help="injection, tagger: what `python -m training.corpora` left")
    parser.add_argument("--spacy", metavar="PYTHON", help="tagger: an interpreter that has spaCy and its small English model")
    parser.add_argument(
        "--leave-out", nargs="*", default=[], metavar="SET", help="injection: labelled sets to train without, to measure on them"
    )
    parser.add_argument("--start", type=Path, metavar="FOLDER", help="injection: a model that learns on, instead of the base")
    parser.add_argument(
        "--measure",
        action="store_true",
        help="no training, calibrate and measure again; pii: the model in --out, injection: that of --start",
    )
    return parser.parse_args()


def main() -> None:
    args = arguments()
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    documents = collect(args.clean, random.Random(args.seed))
    print(f"{sum(d.may_train for d in documents)} documents to train on, of {len(documents)}", flush=True)
    command = f"{args.role} --seed {args.seed} --scale {args.scale}"
    if args.role == "pii":
        command += f" --clean-documents {args.clean_documents}"
        pii.run(args.data, documents, args.out, args.seed, args.scale, args.clean_documents, args.measure, command)
    elif args.role == "tagger":
        documents += gathered(args.gathered) if args.gathered else []
        trained = pii_tagger.fit(args.data, documents, pii_tagger.large_model(args.out), args.spacy, args.out, args.seed, args.scale)
        pii_tagger.set_verges(args.out)
        tagger_card(args.out, trained, command.removeprefix("tagger "))
        seal(args.out)
    else:
        command += (" --start PREVIOUS" if args.start else "") + (" --measure" if args.measure else "")
        documents += [*real(args.data / "real"), *(gathered(args.gathered) if args.gathered else [])]
        injection.run(args.data, documents, args.out, args.seed, args.scale, args.leave_out, args.start, not args.measure, command)


if __name__ == "__main__":
    main()
