"""Lists keys of configuration by which loaders import, evaluate, run or fetch something, and names that mean other things too. Data only."""

from __future__ import annotations

# Names to import, or other things: only a name that runs code counts in them.
OFTEN = """
tokenizer_class processor_class architectures config_class model_class _class_name feature_extractor_type image_processor_type base_model_class
__class__ __type__ _class_ _cls _fn_ _init_ _object_ _quant_type _type act activation activation_fn activation_function alternate app
architecture backend builder call callable callback callbacks class className class_ class_name classname cls collate_fn component
config_cls constructor custom_activation custom_class custom_filters custom_function custom_objects dataset_cls entry entry_point
entry_points entrypoint factory factory_fn filter filters fn fn_path formatter func func_name func_path function function_name
function_path handler hook hooks impl implementation import_name import_path init init_fn initializer klass loader loader_class
loader_fn loader_module main_fn materializer method model_cls obj object operator optimizer_cls parse_fn parser path postprocess
preprocess python_function quant_method registry resolver run_fn runner sbert_ce_default_activation_function script setup_hook source
step strategy target target_transform tokenizer_cls tool_fn transform transforms type type_ user_dir worker_init_fn
"""

# Texts that a loader evaluates as Python.
EVALUATED = """
act activation callback code_str collate_fn compute condition custom_code download eval exec exec_code expr expression filter_fn fn
formula func func_body function hook init initializer inline key_fn lambda lambda_fn lambda_str loss loss_fn map_fn metric on_load
param_str postprocess predicate preprocess preprocessing process_fn py py_code python python_code reward reward_fn reward_function
run_code scorer setup source_code transform
"""

# Commands.
COMMANDS = """
args bash build_commands cmd command commands download entrypoint exec hook hooks init install launch on_load post_install post_run
pre_install pre_run run script scripts setup setup_script sh shell startup
"""

# A model, a tokenizer or a file which is fetched and read.
FETCHED = """
adapter_name_or_path adapter_path assistant_model audio_model_name_or_path backbone_checkpoint base_model base_model_name_or_path
chat_template_file chat_template_path checkpoint dataset decoder_name_or_path draft_model encoder_name_or_path file hf_hub_id
image_processor_name_or_path index_path lora_path merges_file mm_projector mm_vision_tower model_name_or_path model_path passages_path
peft_model_id pretrain_mm_mlp_adapter pretrained_cfg pretrained_model_name_or_path pretrained_url processor_name_or_path ref_model
reference_model reward_model sp_model_file speech_model_name_or_path spm_file teacher_model text_encoder_name_or_path
text_model_name_or_path tokenizer_file tokenizer_name tokenizer_name_or_path url vision_model_name_or_path vision_tower vocab_file
"""

# Files with code.
CODE_FILES = """
code_file code_path configuration_file custom_code custom_generate custom_model custom_modeling custom_module custom_pipeline
custom_script entrypoint generate_script handler handler_file hook_file init_script kernel_file model_code model_file modeling_file
module_file pipeline_file plugin_file processor_code remote_code reward_file script template_file tokenizer_code
"""

# Keys that only configuration of Hugging Face has.
HUB = """
_class_name architectures auto_map image_processor_type model_type peft_type processor_class tokenizer_class transformers_version
"""

# Libraries whose classes such configuration names.
LIBRARIES = """
diffusers onnxruntime open_clip optimum peft sentence_transformers timm torch torchvision transformers
"""

# Packages whose names are words that such configuration uses for other things.
WORDS = """
cgi click cmd code dis fabric fire glob http invoke io nose pip pipes platform profile py requests resource rq sched select setuptools sh
signal test this trace uu uv wheel
"""

# What scripts that prepare data call.
ORDINARY_CALLS = """
codecs io mmap os.listdir os.makedirs os.mkdir os.remove os.rename os.rmdir os.scandir os.stat os.unlink os.walk requests shutil sys urllib
"""
