"""Write the files of libraries with graphs, and configuration: Keras, TensorFlow, ONNX, Core ML, Paddle, OmegaConf, MLflow."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from functools import partial
from importlib import import_module as lib
from pathlib import Path
from typing import Any

from bench.modelfiles.benign import Write


def _layers() -> dict[str, Any]:
    keras = lib("keras")
    x, flat = keras.layers, (8,)
    image, text = (8, 8, 3), (5,)
    single = {
        "dense": (x.Dense(3, "relu"), flat), "dropout": (x.Dropout(0.1), flat), "norm": (x.BatchNormalization(), flat), "layernorm": (x.LayerNormalization(), flat),
        "conv": (x.Conv2D(2, 3), image), "separable": (x.SeparableConv2D(2, 3), image), "pool": (x.MaxPooling2D(), image), "flatten": (x.Flatten(), image),
        "mean": (x.GlobalAveragePooling2D(), image), "embedding": (x.Embedding(9, 4), text), "reshape": (x.Reshape((2, 4)), flat),
        "activation": (x.Activation("gelu"), flat), "softmax": (x.Softmax(), flat), "rescaling": (x.Rescaling(1 / 255), image), "noise": (x.GaussianNoise(0.1), flat),
        "flip": (x.RandomFlip(), image), "crop": (x.CenterCrop(4, 4), image), "resize": (x.Resizing(4, 4), image), "leaky": (x.LeakyReLU(), flat),
        "prelu": (x.PReLU(), flat), "repeat": (x.RepeatVector(2), flat), "padding": (x.ZeroPadding2D(), image), "upsample": (x.UpSampling2D(), image),
        "depth": (x.DepthwiseConv2D(3), image), "transpose": (x.Conv2DTranspose(2, 3), image), "regularized": (x.Dense(2, kernel_regularizer="l2"), flat),
        "normalization": (x.Normalization(mean=0.0, variance=1.0), flat), "discretization": (x.Discretization([0.0, 1.0]), flat),
        "unit": (x.UnitNormalization(), flat), "constraint": (x.Dense(2, kernel_constraint="max_norm"), flat), "spectral": (x.SpectralNormalization(x.Dense(2)), flat),
    }  # fmt: skip
    made = {name: keras.Sequential([keras.Input(shape), layer]) for name, (layer, shape) in single.items()}
    steps = keras.Input((6, 4))
    for name, layer in {
        "lstm": x.LSTM(3),
        "gru": x.GRU(3),
        "both": x.Bidirectional(x.LSTM(2)),
        "time": x.TimeDistributed(x.Dense(2)),
        "conv1": x.Conv1D(2, 3),
    }.items():
        made[name] = keras.Model(steps, layer(steps))
    made["attention"] = keras.Model(steps, x.MultiHeadAttention(2, 2)(steps, steps))
    made["lookup"] = keras.Sequential([keras.Input((1,), dtype="int64"), x.IntegerLookup(vocabulary=[1, 2, 3])])
    made["branch"] = keras.Model(steps, x.Concatenate()([x.Dense(2)(steps), x.Dense(3)(steps)]))
    made["compiled"] = keras.Sequential([keras.Input((4,)), x.Dense(1)])
    made["compiled"].compile("adam", "mse", metrics=["mae"])
    return made


def keras() -> Iterator[Write]:
    """Yield models in each format of Keras."""
    for name, model in _layers().items():
        yield f"{name}.keras", lambda path, m=model: m.save(path)
        yield f"{name}.h5", lambda path, m=model: m.save(path)
        yield f"{name}.weights.h5", lambda path, m=model: m.save_weights(path)
        yield f"{name}.json", lambda path, m=model: path.write_text(m.to_json())
        yield f"{name}.pkl", lambda path, m=model: path.write_bytes(pickle.dumps(m))


def tensorflow() -> Iterator[Write]:
    """Yield saved models, checkpoints, graphs and TFLite files."""
    tf: Any = lib("tensorflow")
    for name in ("relu", "sigmoid", "tanh", "softmax", "gelu", "softplus", "selu", "elu", "log_softmax", "leaky_relu"):
        scale = _scale(tf, getattr(tf.nn, name))
        yield f"saved/{name}", lambda path, m=scale: tf.saved_model.save(m, str(path))
        yield f"lite/{name}.tflite", partial(_lite, tf, scale)
        yield (
            f"frozen/{name}.pb",
            lambda path, m=scale: path.write_bytes(m.call.get_concrete_function().graph.as_graph_def().SerializeToString()),
        )
        yield f"checkpoints/{name}/model", lambda path, m=scale: tf.train.Checkpoint(m=m).save(str(path))
    holder = tf.Module()
    holder.table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer([1, 2], [3, 4]), 0)
    holder.call = tf.function(lambda keys: holder.table.lookup(keys), [tf.TensorSpec([None], tf.int32)])
    yield "saved/lookup", lambda path: tf.saved_model.save(holder, str(path))
    with tf.Graph().as_default() as graph:
        value = tf.compat.v1.placeholder(tf.float32, [2], "x")
        tf.compat.v1.get_variable("w", [2])
        tf.identity(value * 2, "y")
        tf.compat.v1.train.Saver()
        yield "meta/model.meta", lambda path: tf.compat.v1.train.export_meta_graph(str(path), graph=graph)
        yield "meta/model.pbtxt", lambda path: tf.io.write_graph(graph, str(path.parent), path.name)


def _scale(tf: Any, function: Any) -> Any:
    made = tf.Module()
    made.weight = tf.Variable(2.0)
    made.call = tf.function(lambda value: function(value * made.weight), [tf.TensorSpec([2, 4], tf.float32)])
    return made


def _lite(tf: Any, module: Any, path: Path) -> None:
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([module.call.get_concrete_function()], module).convert())


def graphs() -> Iterator[Write]:
    """Yield ONNX graphs, Core ML models and Paddle's parameters."""
    onnx, np = lib("onnx"), lib("numpy")
    help_, float_ = onnx.helper, onnx.TensorProto.FLOAT

    def value(name: str) -> Any:
        return help_.make_tensor_value_info(name, float_, [2, 2])

    for operator in (
        "Relu",
        "Sigmoid",
        "Tanh",
        "Exp",
        "Log",
        "Sqrt",
        "Abs",
        "Neg",
        "Softmax",
        "Identity",
        "Floor",
        "Ceil",
        "Erf",
        "Sin",
        "Cos",
        "Elu",
        "Selu",
    ):
        graph = help_.make_graph([help_.make_node(operator, ["x"], ["y"])], operator, [value("x")], [value("y")])
        yield f"onnx/{operator}.onnx", lambda path, g=graph: onnx.save(help_.make_model(g), path)
    weights = onnx.numpy_helper.from_array(np.ones((2, 2), "float32"), "w")
    for operator in ("Add", "Mul", "MatMul", "Sub", "Div", "Gemm"):
        graph = help_.make_graph([help_.make_node(operator, ["x", "w"], ["y"])], operator, [value("x")], [value("y")], [weights])
        yield f"onnx/{operator}.onnx", lambda path, g=graph: onnx.save(help_.make_model(g), path)
        yield (
            f"onnx/outside/{operator}/model.onnx",
            lambda path, g=graph: onnx.save(
                help_.make_model(g), path, save_as_external_data=True, location="weights.bin", size_threshold=0
            ),
        )
    yield from _core_ml()


def paddle() -> Iterator[Write]:
    """Yield parameters and programs of Paddle."""
    library = lib("paddle")
    for name, layer in {"linear": library.nn.Linear(3, 2), "conv": library.nn.Conv2D(1, 2, 3), "norm": library.nn.LayerNorm(3)}.items():
        yield f"paddle/{name}.pdparams", lambda path, m=layer: library.save(m.state_dict(), str(path))


def _core_ml() -> Iterator[Write]:
    tools, torch = lib("coremltools"), lib("torch")
    for name, module in {"linear": torch.nn.Linear(4, 2), "relu": torch.nn.ReLU(), "conv": torch.nn.Conv1d(2, 1, 1)}.items():
        inputs = torch.ones(1, 2, 4)
        for suffix, target in (("mlmodel", "neuralnetwork"), ("mlpackage", "mlprogram")):
            made = tools.convert(torch.jit.trace(module.eval(), inputs), inputs=[tools.TensorType(shape=(1, 2, 4))], convert_to=target)
            yield f"coreml/{name}.{suffix}", lambda path, m=made: m.save(str(path))


def configuration() -> Iterator[Write]:
    """Yield configuration files as their libraries write them."""
    conf = lib("omegaconf").OmegaConf
    targets = (
        "torch.nn.Linear", "torch.optim.AdamW", "torch.optim.lr_scheduler.StepLR", "torchvision.transforms.Resize", "lightning.pytorch.Trainer",
        "lightning.pytorch.callbacks.ModelCheckpoint", "sklearn.linear_model.Ridge", "transformers.AutoModel.from_pretrained", "torch.nn.ReLU",
        "diffusers.UNet2DModel", "lightning.pytorch.loggers.TensorBoardLogger", "torch.utils.data.DataLoader", "nemo.collections.asr.modules.ConvASREncoder",
        "hydra.utils.get_class", "torchmetrics.Accuracy", "timm.create_model", "numpy.linspace", "src.models.net.Net", "my_project.data.Corpus",
    )  # fmt: skip
    for target in targets:
        made = conf.create({"model": {"_target_": target, "lr": 0.1}, "seed": 1, "paths": {"data": "${oc.env:DATA,data}"}})
        yield f"omegaconf/{target}.yaml", lambda path, m=made: conf.save(m, path)
    yaml = lib("yaml")
    for kind in ("LogisticRegression", "Pipeline", "PCA"):
        flavors = {"python_function": {"loader_module": "mlflow.sklearn", "model_path": "model.pkl", "python_version": "3.11.7", "env": "conda.yaml"},
                   "sklearn": {"pickled_model": "model.pkl", "sklearn_version": "1.7", "serialization_format": "cloudpickle"}}  # fmt: skip
        text = yaml.safe_dump({"flavors": flavors, "model_uuid": "0" * 32, "run_id": kind})
        yield f"mlflow/{kind}/MLmodel", lambda path, t=text: path.write_text(t)
