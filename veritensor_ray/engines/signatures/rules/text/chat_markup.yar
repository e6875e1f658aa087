// Chat markup: role markers and control tokens of chat templates inside data, which can end a turn or forge another role.

rule chatml_marker
{
    meta:
        title = "ChatML role marker"
        description = "Matches ChatML tokens that open a system, user or assistant turn. In data, they can forge a turn."
        category = "prompt-injection"
        severity = "low"
        confidence = "0.5"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051, CWE-1427"
        remediation = "Escape or remove the tokens before the text reaches a model, unless the file is a chat template or training data in this format."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/"
        false_alarms = "Chat templates, tokenizer files, training data and model documentation."
    strings:
        $s1 = /<\|im_start\|>\s*(system|user|assistant|tool|developer|function)/i
    condition:
        any of them
}

rule llama_inst_marker
{
    meta:
        title = "Llama 2 or Mistral instruction marker"
        description = "Matches [INST] and <<SYS>> markers that open an instruction or system block."
        category = "prompt-injection"
        severity = "low"
        confidence = "0.5"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051, CWE-1427"
        remediation = "Escape or remove the tokens before the text reaches a model, unless the file is a chat template or training data in this format."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/"
        false_alarms = "Chat templates, tokenizer files, training data and model documentation."
    strings:
        $s1 = "<<SYS>>" nocase
        $s2 = "<</SYS>>" nocase
        $s3 = "[INST]"
        $s4 = "[/INST]"
    condition:
        any of them
}

rule llama_header_marker
{
    meta:
        title = "Llama 3 header marker"
        description = "Matches the header tokens with which Llama 3 and later name the role of a turn."
        category = "prompt-injection"
        severity = "low"
        confidence = "0.5"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051, CWE-1427"
        remediation = "Escape or remove the tokens before the text reaches a model, unless the file is a chat template or training data in this format."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/"
        false_alarms = "Chat templates, tokenizer files, training data and model documentation."
    strings:
        $s1 = /<\|(start_header_id|header_start)\|>\s*(system|user|assistant|ipython|tool)/i
    condition:
        any of them
}

rule gemma_turn_marker
{
    meta:
        title = "Gemma turn marker"
        description = "Matches the turn markers of Gemma models."
        category = "prompt-injection"
        severity = "low"
        confidence = "0.5"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051, CWE-1427"
        remediation = "Escape or remove the tokens before the text reaches a model, unless the file is a chat template or training data in this format."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/"
        false_alarms = "Chat templates, tokenizer files, training data and model documentation."
    strings:
        $s1 = /<(start_of_turn|\|turn)>\s*(user|model|system|developer)/i
    condition:
        any of them
}

rule role_token_marker
{
    meta:
        title = "Role token of a chat template"
        description = "Matches role tokens of Phi, Command R, DeepSeek, GLM, Zephyr and gpt-oss templates."
        category = "prompt-injection"
        severity = "low"
        confidence = "0.5"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051, CWE-1427"
        remediation = "Escape or remove the tokens before the text reaches a model, unless the file is a chat template or training data in this format."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/"
        false_alarms = "Chat templates, tokenizer files, training data and model documentation."
    strings:
        $s1 = "<|system|>" nocase
        $s2 = "<|assistant|>" nocase
        $s3 = "<|START_OF_TURN_TOKEN|>" nocase
        $s4 = "<|SYSTEM_TOKEN|>" nocase
        $s5 = "<｜User｜>"
        $s6 = "<｜Assistant｜>"
        $s7 = /<\|start\|>(system|developer|assistant|user)(<\|channel|<\|message)/i
        $s8 = "<|channel|>analysis" nocase
        $s9 = /\[SYSTEM_PROMPT\]/i
    condition:
        any of them
}

rule special_token
{
    meta:
        title = "End-of-text or begin-of-text token"
        description = "Matches tokens that mark the beginning or end of a text for a model. In data, they can split a prompt."
        category = "prompt-injection"
        severity = "info"
        confidence = "0.4"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051, CWE-1427"
        remediation = "Escape or remove the tokens before the text reaches a model, unless the file is a chat template or training data in this format."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/"
        false_alarms = "Chat templates, tokenizer files, training data and model documentation."
    strings:
        $s1 = "<|endoftext|>" nocase
        $s2 = "<|begin_of_text|>" nocase
        $s3 = "<|end_of_text|>" nocase
        $s4 = "<|eot_id|>" nocase
        $s5 = "<|endofprompt|>" nocase
        $s6 = "<｜begin▁of▁sentence｜>"
    condition:
        any of them
}

rule instruction_template_marker
{
    meta:
        title = "Alpaca or Vicuna prompt template"
        description = "Matches the headings of plain-text prompt templates (Alpaca, Vicuna, Anthropic text completions) followed by a turn."
        category = "prompt-injection"
        severity = "info"
        confidence = "0.4"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051, CWE-1427"
        remediation = "Escape or remove the tokens before the text reaches a model, unless the file is a chat template or training data in this format."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/"
        false_alarms = "Chat templates, tokenizer files, training data and model documentation."
    strings:
        $s1 = /###\s?Instruction:\s{0,4}\n[^\x1e]{1,200}###\s?Response:/i
        $s2 = /\n\nHuman:[^\x1e]{1,200}\n\nAssistant:/
        $s3 = /USER:[^\x1e\n]{1,160}\s?ASSISTANT:/
    condition:
        any of them
}

rule system_tag
{
    meta:
        title = "System prompt tag in data"
        description = "Matches XML-like tags with which applications mark a system prompt or reminder. In data, they impersonate the operator."
        category = "prompt-injection"
        severity = "low"
        confidence = "0.5"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051, CWE-1427"
        remediation = "Escape or remove the tokens before the text reaches a model, unless the file is a chat template or training data in this format."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/"
        false_alarms = "Chat templates, tokenizer files, training data and model documentation."
    strings:
        $s1 = /<(system_prompt|system-prompt|system-reminder|system_instructions?|system_message|developer_message)>/i
    condition:
        any of them
}

rule chat_turn_breakout
{
    meta:
        title = "Forged turn change to the system role"
        description = "Matches an end-of-turn token immediately followed by the start of a system turn, which breaks out of the user turn."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.7"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051, CWE-1427"
        remediation = "Escape or remove the tokens before the text reaches a model, unless the file is a chat template or training data in this format."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/"
        false_alarms = "Several conversations dumped into one text, and templates that write a tool turn as a system turn."
    strings:
        $s1 = /<\|im_end\|>\s{0,6}<\|im_start\|>\s*(system|developer)/i
        $s2 = /<\|eot_id\|>\s{0,6}<\|start_header_id\|>\s*system/i
        $s3 = /<\/s>\s{0,4}(<s>)?\s{0,4}\[INST\]\s{0,4}<<SYS>>/i
        $s4 = /<end_of_turn>\s{0,6}<start_of_turn>\s*(system|developer)/i
        $s5 = /<\|end\|>\s{0,6}(<\|system\|>|<\|start\|>(system|developer))/i
        $s6 = /\[\/INST\]\s{0,4}\[(SYSTEM|SYSTEM_PROMPT)\]/i
        $s7 = /<\/(user|user_input|user_query|document|context|data|untrusted)>\s{0,6}<(system|system_prompt|developer|admin|instructions?)>/i
    condition:
        any of them
}
