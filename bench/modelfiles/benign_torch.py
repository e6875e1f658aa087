"""Write the files of PyTorch and the libraries around it: torch, transformers, peft, Lightning, Pyro, timm, diffusers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from importlib import import_module as lib
from pathlib import Path
from typing import Any

from bench.modelfiles.benign import Write
from bench.modelfiles.benign_tables import dump

_TEMPLATES = {
    "chatml": "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "plain": "{{ bos_token }}{% for message in messages %}{{ message.role }}: {{ message.content | trim }}{{ eos_token }}{% endfor %}",
    "strict": "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{{ messages[-1]['content'] }}",
    "dated": "{% set date = strftime_now('%d %b %Y') %}Today is {{ date }}.{% for m in messages %}{{ m['content'] }}{% endfor %}",
    "tools": "{% if tools %}{% for tool in tools %}{{ tool | tojson(indent=2) }}{% endfor %}{% endif %}{% for m in messages %}{{ m.content }}{% endfor %}",
    "space": "{%- set ns = namespace(found=false) -%}{%- for m in messages -%}{%- set ns.found = true -%}{{ m.content }}{%- endfor -%}",
}
_SMALL = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 64, "num_key_value_heads": 2,
    "head_dim": 8, "n_embd": 16, "n_layer": 1, "n_head": 2, "d_model": 16, "num_layers": 1, "num_heads": 2, "d_ff": 16, "d_kv": 8, "dim": 16,
    "n_layers": 1, "n_heads": 2, "hidden_dim": 16, "embedding_size": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "max_position_embeddings": 32, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2,
}  # fmt: skip
_TINY = ("bert", "gpt2", "llama", "mistral", "t5", "distilbert", "roberta", "albert", "electra", "opt", "gpt_neox", "qwen2", "qwen3", "gemma", "phi",
         "bart", "marian", "pegasus", "mixtral", "olmo", "stablelm", "starcoder2", "xlm-roberta", "deberta-v2", "mpnet", "codegen", "cohere", "granite")  # fmt: skip


def _modules() -> dict[str, Any]:
    nn = lib("torch").nn
    inner = nn.Linear(4, 4)
    return {
        "linear": inner, "conv1": nn.Conv1d(2, 3, 3), "conv2": nn.Conv2d(2, 3, 3), "conv3": nn.Conv3d(1, 2, 3), "back": nn.ConvTranspose2d(2, 3, 3),
        "norm": nn.BatchNorm2d(3), "layernorm": nn.LayerNorm(4), "group": nn.GroupNorm(1, 4), "lstm": nn.LSTM(4, 5), "gru": nn.GRU(4, 5, 2),
        "rnn": nn.RNN(4, 5), "embedding": nn.Embedding(7, 4), "bag": nn.EmbeddingBag(7, 4), "attention": nn.MultiheadAttention(8, 2),
        "encoder": nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 8), 2), "transformer": nn.Transformer(8, 2, 1, 1, 8),
        "sequence": nn.Sequential(inner, nn.ReLU(), nn.Dropout(0.1), nn.Flatten(), nn.Softmax(-1)), "list": nn.ModuleList([inner, nn.GELU()]),
        "dict": nn.ModuleDict({"a": inner, "b": nn.Tanh()}), "parameters": nn.ParameterList([nn.Parameter(lib("torch").ones(2))]),
        "prelu": nn.PReLU(), "bilinear": nn.Bilinear(2, 3, 4), "softmax": nn.AdaptiveLogSoftmaxWithLoss(4, 6, [2]), "upsample": nn.Upsample(scale_factor=2),
        "identity": nn.Identity(), "pool": nn.AdaptiveAvgPool2d(1), "loss": nn.CrossEntropyLoss(),
    }  # fmt: skip


def _packaged(module: Any, path: Path) -> None:
    with lib("torch.package").PackageExporter(str(path)) as package:
        package.extern(["torch.**", "collections"])
        package.save_pickle("model", "model.pkl", module)


def torch() -> Iterator[Write]:
    """Yield modules, state dictionaries, optimizers and exported programs in every format that torch writes."""
    torch, safe = lib("torch"), lib("safetensors.torch")
    for name, module in _modules().items():
        yield f"{name}.state.pt", lambda path, m=module: torch.save(m.state_dict(), path)
        yield f"{name}.module.pth", lambda path, m=module: torch.save(m, path)
        yield f"{name}.legacy.bin", lambda path, m=module: torch.save(m.state_dict(), path, _use_new_zipfile_serialization=False)
        yield f"{name}.pkl", partial(dump, module, 4)
        yield f"{name}.joblib", lambda path, m=module: lib("joblib").dump(m, path)
        yield f"{name}.safetensors", lambda path, m=module: safe.save_file(m.state_dict(), path, {"format": "pt"})
        yield f"{name}.script.pt", lambda path, m=module: torch.jit.save(torch.jit.script(m), str(path))
        yield f"{name}.package.pt", partial(_packaged, module)
        if name in ("linear", "sequence", "conv2", "layernorm", "norm"):
            inputs = torch.ones(2, 2, 5, 5) if name == "conv2" else torch.ones(2, 3, 4, 4) if name == "norm" else torch.ones(2, 4)
            yield f"{name}.pt2", lambda path, m=module, i=inputs: torch.export.save(torch.export.export(m.eval(), (i,)), path)
            yield f"{name}.trace.pt", lambda path, m=module, i=inputs: torch.jit.save(torch.jit.trace(m.eval(), i), str(path))
            yield f"{name}.onnx", lambda path, m=module, i=inputs: torch.onnx.export(m.eval(), (i,), str(path), dynamo=False)
    weights = [torch.nn.Parameter(torch.ones(3))]
    for name in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "NAdam", "RAdam", "LBFGS", "Rprop"):
        optimizer = getattr(torch.optim, name)(weights)
        state = {
            "model": _modules()["linear"].state_dict(),
            "optimizer": optimizer.state_dict(),
            "epoch": 3,
            "args": {"lr": 0.1, "path": "runs/a"},
        }
        yield f"checkpoints/{name}.ckpt", lambda path, s=state: torch.save(s, path)
    for kind in ("float16", "bfloat16", "int8", "bool", "complex64", "float8_e4m3fn"):
        yield f"tensors/{kind}.pt", lambda path, k=kind: torch.save(torch.ones(3).to(getattr(torch, k)), path)
    yield "tensors/sparse.pt", lambda path: torch.save(torch.eye(3).to_sparse(), path)
    yield "tensors/quantized.pt", lambda path: torch.save(torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8), path)
    for name in ("squeezenet1_1", "shufflenet_v2_x0_5", "mobilenet_v3_small"):
        yield f"vision/{name}.pth", lambda path, n=name: torch.save(getattr(lib("torchvision.models"), n)().state_dict(), path)
        yield f"vision/{name}.module.pt", lambda path, n=name: torch.save(getattr(lib("torchvision.models"), n)(), path)


def _tokenizers() -> Iterator[Write]:
    kinds, trainers = lib("tokenizers.models"), lib("tokenizers.trainers")
    before, wrap = lib("tokenizers.pre_tokenizers"), lib("transformers").PreTrainedTokenizerFast
    words = ["a small corpus of words", "it trains a tokenizer", "numbers such as 12 and 345"]
    for model, trainer in (
        ("BPE", "BpeTrainer"),
        ("WordPiece", "WordPieceTrainer"),
        ("Unigram", "UnigramTrainer"),
        ("WordLevel", "WordLevelTrainer"),
    ):
        for split in ("Whitespace", "ByteLevel", "Metaspace", "BertPreTokenizer", "Digits", "Punctuation"):
            made = lib("tokenizers").Tokenizer(getattr(kinds, model)())
            made.pre_tokenizer = getattr(before, split)()
            made.train_from_iterator(words, getattr(trainers, trainer)(vocab_size=80, special_tokens=["<unk>", "<s>"], show_progress=False))
            fast = wrap(tokenizer_object=made, unk_token="<unk>", bos_token="<s>")  # noqa: S106  # no password
            fast.chat_template = list(_TEMPLATES.values())[len(split) % len(_TEMPLATES)]
            yield f"tokenizers/{model}-{split}", lambda path, f=fast: f.save_pretrained(path)
    split = before.Split(
        lib("tokenizers").Regex(r"(?i:'s|'t|'re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+(?!\S)|\s+"), "isolated"
    )
    made = lib("tokenizers").Tokenizer(kinds.BPE())
    made.pre_tokenizer = before.Sequence([split, before.ByteLevel(add_prefix_space=False, use_regex=False)])
    yield "tokenizers/llama3/tokenizer.json", lambda path: made.save(str(path))


def transformers() -> Iterator[Write]:
    """Yield a configuration of every architecture, tiny models of some, tokenizers, adapters and GGUF files."""
    hf = lib("transformers")
    for name, kind in hf.models.auto.configuration_auto.CONFIG_MAPPING.items():
        yield f"configs/{name}", lambda path, k=kind: k().save_pretrained(path)
    for name in _TINY:
        small = {key: value for key, value in _SMALL.items() if hasattr(hf.AutoConfig.for_model(name), key)}
        config = hf.AutoConfig.for_model(name, **small)
        yield f"models/{name}", lambda path, c=config: hf.AutoModel.from_config(c).save_pretrained(path)
        yield f"generation/{name}", lambda path, c=config: hf.GenerationConfig.from_model_config(c).save_pretrained(path)
    for name in ("CLIPImageProcessor", "ViTImageProcessor", "WhisperFeatureExtractor", "Wav2Vec2FeatureExtractor", "DetrImageProcessor",
                 "ConvNextImageProcessor", "SamImageProcessor", "BlipImageProcessor", "LlavaImageProcessor", "Qwen2VLImageProcessor"):  # fmt: skip
        yield f"processors/{name}", lambda path, n=name: getattr(hf, n)().save_pretrained(path)
    yield "arguments/training_args.bin", lambda path: lib("torch").save(hf.TrainingArguments(str(path.parent), report_to=[]), path)
    yield from _tokenizers()
    peft = lib("peft")
    base = hf.AutoModel.from_config(hf.AutoConfig.for_model("gpt2", n_embd=16, n_layer=1, n_head=2, vocab_size=64))
    for name, config in {
        "lora": peft.LoraConfig(r=2, target_modules=["c_attn"], fan_in_fan_out=True), "ia3": peft.IA3Config(target_modules=["c_attn"], feedforward_modules=[]),
        "rslora": peft.LoraConfig(r=2, use_rslora=True, target_modules=["c_proj"], fan_in_fan_out=True),
    }.items():  # fmt: skip
        yield f"adapters/{name}", lambda path, c=config: peft.get_peft_model(base, c).save_pretrained(path)
    for name, template in _TEMPLATES.items():
        yield f"gguf/{name}.gguf", partial(_gguf, template)


def _gguf(template: str, path: Path) -> None:
    gguf, np = lib("gguf"), lib("numpy")
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name("tiny"), writer.add_block_count(1), writer.add_context_length(32), writer.add_embedding_length(8)
    writer.add_token_list(["<s>", "a", "b"]), writer.add_chat_template(template)
    writer.add_tensor("token_embd.weight", np.ones((3, 8), "float32"))
    writer.write_header_to_file(), writer.write_kv_data_to_file(), writer.write_tensors_to_file(), writer.close()


def lightning() -> Iterator[Write]:
    """Yield checkpoints of Lightning, Pyro's parameters, timm's models and Sentence Transformers."""
    torch = lib("torch")
    trainer = lib("lightning").Trainer(max_epochs=0, logger=False, enable_checkpointing=False, enable_progress_bar=False)
    module = lib("lightning.pytorch.demos.boring_classes").BoringModel()
    trainer.fit(module)
    yield "boring.ckpt", lambda path: trainer.save_checkpoint(path)
    yield "boring.script.pt", lambda path: torch.jit.save(module.to_torchscript(), str(path))
    store = lib("pyro").get_param_store()
    lib("pyro").param("scale", torch.ones(2))
    yield "pyro.params", lambda path: store.save(str(path))
    for name in ("resnet10t", "test_vit", "test_efficientnet", "test_convnext", "test_resnet"):
        model = lib("timm").create_model(name)
        yield f"timm/{name}", lambda path, m=model: lib("timm.models").save_for_hf(m, path, safe_serialization="both")
    parts = lib("sentence_transformers.models")
    for name, value in {"pooling": parts.Pooling(8), "dense": parts.Dense(8, 4), "normalize": parts.Normalize()}.items():
        yield f"sentences/{name}/x", lambda path, v=value: (path.mkdir(exist_ok=True), v.save(str(path)))


def diffusers() -> Iterator[Write]:
    """Yield configurations of schedulers and tiny networks of diffusers."""
    package = lib("diffusers")
    for name in dir(package.schedulers):
        if name.endswith("Scheduler"):
            yield f"schedulers/{name}", lambda path, n=name: getattr(package, n)().save_pretrained(path)
    small = {"block_out_channels": (32, 32), "layers_per_block": 1, "norm_num_groups": 8}
    yield (
        "unet",
        lambda path: package.UNet2DModel(
            8, down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2, **small
        ).save_pretrained(path),
    )
    yield "vae", lambda path: package.AutoencoderKL(block_out_channels=(32,), norm_num_groups=8).save_pretrained(path)
    index = {
        "_class_name": "StableDiffusionPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
    }
    yield "model_index.json", lambda path: path.write_text(json.dumps(index))
