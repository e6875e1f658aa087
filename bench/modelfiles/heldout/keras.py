"""Attacks by Keras files: layers that carry code, and modules that are not Keras."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

from bench.modelfiles.heldout import keras_files
from bench.modelfiles.heldout.keras_parts import LOADED, Config, archive, function, h5, layer, sequential
from bench.modelfiles.heldout.opcodes import SYSTEM, WEIGHTS, done, torch_zip
from bench.modelfiles.heldout.parts import field
from bench.modelfiles.heldout.sample import Group, Sample

group = Group("Keras")
CODE = base64.b64encode(b"\xe3" + bytes(20) + b"s\x04\x00\x00\x00echoos.system").decode()  # looks like marshalled code, and is not


def code() -> Iterator[Sample]:
    """Yield layers that carry code, in every container."""
    lambdas = layer("Lambda", name="l", function={"class_name": "__lambda__", "config": {"code": CODE, "defaults": None, "closure": None}})
    plain = layer("Activation", name="l", activation="relu")
    wrapped = (
        layer("TimeDistributed", layer=layer("Pipeline", layers=[lambdas])),
        layer("TimeDistributed", layer=layer("Pipeline", layers=[plain])),
    )
    module = [base64.b64encode(torch_zip(done(one))).decode() for one in (SYSTEM, WEIGHTS[2:-1])]
    old: Config = {
        "class_name": "Sequential",
        "config": {"layers": [{"class_name": "Lambda", "config": {"function": [CODE, None, None], "function_type": "lambda"}}]},
    }
    new: Config = {
        "class_name": "Sequential",
        "config": {"layers": [{"class_name": "Dense", "config": {"units": 4, "activation": "softmax"}}]},
    }
    module_function = {
        "class_name": "Lambda",
        "config": {"function": "system", "function_type": "function", "module": "os", "arguments": {}},
    }
    yield from group.pairs(
        ("lambda", "model.keras", archive(sequential(lambdas)), archive(sequential(plain)), f"{LOADED}; outside of safe mode the code of the Lambda runs"),
        ("lambda-nested", "nested.keras", archive(sequential(wrapped[0])), archive(sequential(wrapped[1])),
         f"{LOADED}; the Lambda lies in a Pipeline in a wrapper"),
        ("torch-wrapper", "torch.keras",
         archive(sequential({"module": "keras.utils", "class_name": "TorchModuleWrapper", "config": {"name": "t", "module": module[0]},
             "registered_name": None})),
         archive(sequential({"module": "keras.layers", "class_name": "Dense", "config": {"name": "t", "units": 4}, "registered_name": None})),
         f"{LOADED}; TorchModuleWrapper calls torch.load on its bytes"),
        ("h5-lambda", "model.h5", h5(old), h5(new), "load_model runs the Lambda of an HDF5 file and ignores safe mode (CVE-2025-9905)"),
        ("h5-module", "old.hdf5", h5({"class_name": "Sequential", "config": {"layers": [module_function]}}), h5(new),
         "a Lambda of Keras 2 imports its module and takes the function"),
    )  # fmt: skip
    meta = [
        field(1, field(2, 1) + field(3, "root.layer-0") + field(4, "_tf_keras_layer") + field(5, json.dumps(one)))
        for one in (old["config"]["layers"][0], new["config"]["layers"][0])
    ]
    yield from group.pairs(
        ("keras-metadata", "saved/keras_metadata.pb", meta[0], meta[1], "Keras 2 revives the layers of a SavedModel from keras_metadata.pb, Lambda included"),
        ("architecture", "architecture.json", sequential(lambdas), sequential(plain), "model_from_json builds the Lambda"),
        ("op-lambda", "functional.h5",
         h5({"class_name": "Functional", "config": {"layers": [{"class_name": "TFOpLambda", "config": {"name": "w", "function": "io.write_file"}}]}}),
         h5({"class_name": "Functional", "config": {"layers": [{"class_name": "TFOpLambda", "config": {"name": "w", "function": "math.multiply"}}]}}),
         "TFOpLambda calls any function below `tf`, here one that writes files"),
        ("op-lambda-read", "reader.h5",
         h5({"class_name": "Functional", "config": {"layers": [{"class_name": "SlicingOpLambda", "config": {"function": "io.read_file", "name": "r"}}]}}),
         h5({"class_name": "Functional", "config": {"layers": [{"class_name": "SlicingOpLambda", "config": {"function": "__operators__.getitem",
             "name": "r"}}]}}), "the operator of the layer reads a file"),
    )  # fmt: skip


def modules() -> Iterator[Sample]:
    """Yield configuration that names modules beside Keras, or names of Keras that lead elsewhere."""
    relu = function("keras.activations", "relu")
    for name, module, what, effect in (
        ("module-os", "os", "system", "the activation is any function of any module (CVE-2025-1550)"),
        ("get-file", "keras.utils", "get_file", "the activation downloads and unpacks an archive (CVE-2025-8747)"),
        ("func-load", "keras.src.utils.python_utils", "func_load", "the activation makes a function of marshalled code"),
        ("leads-elsewhere", "keras.src.utils.file_utils", "urlretrieve", "a module of Keras holds a function of urllib"),
        ("load-model", "keras.saving", "load_model", "the activation loads another model, from a path, outside of safe mode"),
        ("numpy-runstring", "numpy.testing._private.utils", "runstring", "a function of NumPy runs text"),
    ):
        attack, twin = (
            layer("Dense", name="d", units=1, activation=function(module, what)),
            layer("Dense", name="d", units=1, activation=relu),
        )
        yield from group.pair(name, f"{name}.keras", archive(sequential(attack)), archive(sequential(twin)), f"{LOADED}; {effect}")
    for name, module, what, effect in (
        (
            "unsafe-switch",
            "keras.config",
            "enable_unsafe_deserialization",
            "it switches safe mode off for the layers after it (CVE-2025-9906)",
        ),
        (
            "global-attribute",
            "keras.src.backend.common.global_state",
            "set_global_attribute",
            "it sets safe_mode_saving, so that the layers after it may run code",
        ),
    ):
        off = {"module": module, "class_name": "function", "config": what, "registered_name": what}
        first = {
            "module": "keras.layers",
            "class_name": "Lambda",
            "config": {"function": off, "arguments": {"name": "safe_mode_saving", "value": False}},
        }
        plain = {"module": "keras.layers", "class_name": "Activation", "config": {"activation": function("keras.activations", "tanh")}}
        yield from group.pair(name, f"{name}.keras", archive(sequential(first)), archive(sequential(plain)), f"{LOADED}; {effect}")
    loss = {"optimizer": "adam", "loss": function("builtins", "exec"), "metrics": ["accuracy"]}
    good = {"optimizer": "adam", "loss": function("keras.losses", "mean_squared_error"), "metrics": ["accuracy"]}
    start = layer("Popen", "subprocess", "Popen", args=["echo", "harmless"]), layer("GlorotUniform", "keras.initializers", None, seed=1)
    doubled = json.dumps(sequential(layer("Dense", units=2, activation=function("keras.activations", "relu"))))
    evil = doubled.replace(
        '"module": "keras.activations", "class_name": "function", "config": "relu"',
        '"module": "keras.activations", "module": "os", "class_name": "function", "config": "popen"',
    )
    twice = doubled.replace('"units": 2', '"units": 4, "units": 2')
    dense = [json.dumps(sequential(layer("Dense", units=1, activation=one))) for one in (function("os", "system"), relu)]
    hub = {"module": "shutil", "class_name": "rmtree", "config": {"path": "/tmp/x"}, "registered_name": "rmtree"}
    fine = {
        "module": "keras_hub.src.models.gemma.gemma_backbone",
        "class_name": "GemmaBackbone",
        "config": {"num_layers": 2},
        "registered_name": "keras_hub>GemmaBackbone",
    }
    yield from group.pairs(
        ("compile-loss", "compiled.keras", archive(sequential(compile_config=loss)), archive(sequential(compile_config=good)),
         f"{LOADED}; the loss is `exec`"),
        ("initializer", "init.keras", archive(sequential(layer("Dense", units=2, kernel_initializer=start[0]))),
         archive(sequential(layer("Dense", units=2, kernel_initializer=start[1]))), f"{LOADED}; the initializer is a class of another module"),
        ("custom-registered", "custom.keras", archive(sequential(layer("Net", "payload_module.net", "payload_module>Net", units=2))),
         archive(sequential(layer("EinsumDense", "keras.layers", None, equation="ab,bc->ac", output_shape=2))),
         f"{LOADED}; a module beside the program is imported"),
        ("duplicate-key", "twice.keras", archive(evil), archive(twice), f"{LOADED}; the second of two keys counts"),
        ("utf-16", "wide.keras", archive(dense[0].encode("utf-16")), archive(dense[1].encode("utf-16")), f"{LOADED}; json.loads recognizes UTF-16"),
        ("hub-task", "preset/task.json", hub, fine, "keras_hub's from_preset deserializes task.json"),
    )  # fmt: skip


def samples() -> Iterator[Sample]:
    """Yield the samples of this class."""
    yield from (*code(), *modules(), *keras_files.files(), *keras_files.storage())
