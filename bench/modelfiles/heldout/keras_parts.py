"""Assemble the files of Keras: configuration of layers, archives and HDF5."""

from __future__ import annotations

import json
from typing import Any

from bench.modelfiles.heldout.parts import hdf5, zipped
from bench.modelfiles.heldout.sample import Content

LOADED = "keras.saving.load_model builds the model from config.json"
Config = dict[str, Any]


def layer(kind: str, module: str = "keras.layers", registered: str | None = None, **config: Any) -> Config:
    """Return a serialized object of Keras 3."""
    return {
        "module": module,
        "class_name": kind,
        "config": config,
        "registered_name": registered,
        "build_config": {"input_shape": [None, 8]},
    }


def function(module: str, what: str) -> Config:
    """Return a serialized function of Keras 3."""
    return {"module": module, "class_name": "function", "config": what, "registered_name": what}


def sequential(*layers: Config, **more: Any) -> Config:
    """Return the configuration of a model."""
    first = layer("InputLayer", batch_shape=[None, 8], dtype="float32", name="input")
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "s", "layers": [first, *layers]},
        "registered_name": None,
        **more,
    }


def archive(config: Content, more: dict[str, Content] | None = None) -> bytes:
    """Return a .keras file."""
    about = {"keras_version": "3.11.0", "date_saved": "2026-01-01@00:00:00"}
    return zipped({"metadata.json": about, "config.json": config, "model.weights.h5": WEIGHTS_H5, **(more or {})})


def weights(file: Any) -> None:
    file.create_dataset("layers/dense/vars/0", data=[[0.5, 0.25]])


WEIGHTS_H5 = hdf5(weights)


def h5(config: Config, **attributes: Any) -> bytes:
    """Return a model in the old format, whose configuration is an attribute."""

    def write(file: Any) -> None:
        file.attrs.update({"model_config": json.dumps(config), "keras_version": "2.15.0", "backend": "tensorflow"} | attributes)
        file.create_group("model_weights")

    return hdf5(write)
