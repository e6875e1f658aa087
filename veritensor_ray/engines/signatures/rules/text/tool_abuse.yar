// Tool abuse: forged tool calls, and instructions to call a tool, inside data that a model reads.

rule tool_call_markup
{
    meta:
        title = "Tool call markup in data"
        description = "Matches tags with which models write a tool call. A careless agent loop may run such a tag when it appears in data."
        category = "prompt-injection"
        severity = "low"
        confidence = "0.5"
        taxonomy = "OWASP-LLM01:2025, OWASP-LLM06:2025, ATLAS:AML.T0053"
        remediation = "Remove the call or instruction, and require human approval before tools with side effects run."
        references = "https://genai.owasp.org/llmrisk/llm062025-excessive-agency/, https://atlas.mitre.org/techniques/AML.T0053"
        false_alarms = "Chat templates and training data for tool use."
    strings:
        $s1 = /<tool_call>\s{0,9}\{\s{0,9}"name"/i
        $s2 = /<(antml:)?function_calls>\s{0,6}<(antml:)?invoke\s{1,4}name=/i
        $s3 = /<function=[\w.-]{2,40}>\s{0,4}(\{|<parameter)/i
        $s4 = /\[TOOL_CALLS\]\s{0,4}\[\s{0,2}\{/i
        $s5 = "<|python_tag|>" nocase
        $s6 = "<|tool_call|>" nocase
        $s7 = "<｜tool▁calls▁begin｜>"
    condition:
        any of them
}

rule tool_call_side_effect
{
    meta:
        title = "Forged call of a tool with side effects"
        description = "Matches tool call markup or function-call JSON that names a tool that can send, pay, delete or run commands."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.7"
        taxonomy = "OWASP-LLM01:2025, OWASP-LLM06:2025, ATLAS:AML.T0053"
        remediation = "Remove the call or instruction, and require human approval before tools with side effects run."
        references = "https://genai.owasp.org/llmrisk/llm062025-excessive-agency/, https://atlas.mitre.org/techniques/AML.T0053"
        false_alarms = "Training data for tool use and documentation for agent frameworks."
    strings:
        $s1 = /(<tool_call>\s{0,9}\{\s{0,9}"name"\s?:\s?"|<(antml:)?invoke\s+name="|<function=|\[TOOL_CALLS\]\s{0,4}\[\s{0,2}\{\s{0,4}"name"\s?:\s?"|<\|python_tag\|>\s{0,4}(\{"name"\s?:\s?")?)(send_?(e?mail|message|money|sms|funds|payment|slack\w*)|forward_?e?mail|execute_?(command|shell|code|sql|bash|python)|run_?(command|shell\w*|terminal\w*|code|bash|python|script)|exec_?(command|shell)|shell_?exec\w*|bash|terminal|delete_?(file|email|all|user|record|account|repo\w*|database|event|message)s?|transfer_?(funds|money)|bank\w*transfer|make_?(payment|purchase|transaction)|http_?(get|post|request)|post_?webpage|fetch_?url|write_?file|read_?file|share_?file|grant\w*(access|permission\w*)|unlock_?door|create_?user|change_?password|update_?password|invite_?user\w*|schedule_?transaction|upload_?file)\b/i
        $s2 = /"(function_call|tool_calls?|tool_use)"\s?:\s?[\[{][^\x1e]{0,120}"name"\s?:\s?"(send_?(e?mail|message|money|sms|funds|payment|slack\w*)|forward_?e?mail|execute_?(command|shell|code|sql|bash|python)|run_?(command|shell\w*|terminal\w*|code|bash|python|script)|exec_?(command|shell)|shell_?exec\w*|bash|terminal|delete_?(file|email|all|user|record|account|repo\w*|database|event|message)s?|transfer_?(funds|money)|bank\w*transfer|make_?(payment|purchase|transaction)|http_?(get|post|request)|post_?webpage|fetch_?url|write_?file|read_?file|share_?file|grant\w*(access|permission\w*)|unlock_?door|create_?user|change_?password|update_?password|invite_?user\w*|schedule_?transaction|upload_?file)"/i
    condition:
        any of them
}

rule tool_call_order
{
    meta:
        title = "Instruction to call a tool with side effects"
        description = "Matches an instruction to call a named tool that can send, pay, delete or run commands."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.65"
        taxonomy = "OWASP-LLM01:2025, OWASP-LLM06:2025, ATLAS:AML.T0053"
        remediation = "Remove the call or instruction, and require human approval before tools with side effects run."
        references = "https://genai.owasp.org/llmrisk/llm062025-excessive-agency/, https://atlas.mitre.org/techniques/AML.T0053"
        false_alarms = "Agent documentation and test prompts."
    strings:
        $s1 = /\b(call|use|invoke|execute|trigger|run)\s+((the|your|my)\s+)*["\'`]?(send_(e?mail|message|money|sms|funds|payment|slack\w*)|forward_e?mail|execute_(command|shell|code|sql|bash|python)|run_(command|shell\w*|terminal\w*|code|bash|python|script)|exec_(command|shell)|delete_(file|email|all|user|record|account|repo\w*|database|event|message)s?|transfer_(funds|money)|make_(payment|purchase|transaction)|http_(get|post|request)|post_webpage|fetch_url|write_file|read_file|share_file|grant_(access|permission\w*)|unlock_door|create_user|change_password|update_password|invite_user\w*|upload_file)["\'`]?\s+(tool|function|plugin|action)\b[^\x1e\n]{0,40}\b(with|to|and|using|on|immediately|now|then|without)\b/i
        $s2 = /\b(call|use|invoke)\s+["\'`]?(send_e?mail|http_post|http_request|transfer_(money|funds)|execute_command|run_shell|forward_email|send_money)["\'`]?\s+(to|with|and)\b/i
        $s3 = /\b(call|use|invoke|execute|trigger)\s+((the|your|my)\s+)*["\'`]?(e?mail|gmail|outlook|slack|calendar|bank\w*|payment|shell|terminal|browser|file[ _]?system|drive)["\'`]?\s+(tool|plugin)\s+(to|and)\s+(send|forward|delete|transfer|pay|upload|share|run|execute|email|post)\b/i
    condition:
        any of them
}

rule tool_shadowing
{
    meta:
        title = "Instruction that changes how other tools are used"
        description = "Matches text that demands an extra step before or after every use of another tool, as poisoned tool descriptions do."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.7"
        taxonomy = "OWASP-LLM01:2025, OWASP-LLM06:2025, ATLAS:AML.T0053, ATLAS:AML.T0051.001"
        remediation = "Remove the call or instruction, and require human approval before tools with side effects run."
        references = "https://genai.owasp.org/llmrisk/llm062025-excessive-agency/, https://atlas.mitre.org/techniques/AML.T0053"
        false_alarms = "Legitimate tool descriptions that prescribe an order of calls."
    strings:
        $s1 = /\b(before|after|when|whenever|every\s+time|each\s+time)\s+(you\s+)?(us(e|ing)|call(ing)?|invok(e|ing)|running)\s+(this|any|any\s+other|another|other|the\s+other|all\s+other|the\s+[\w-]+)\s+(mcp\s+)?tools?\b[^\x1e.]{0,40}\b(you\s+must|must\s+(first|always|also)|always\s+(first|also)|first)\s+[^\x1e.]{0,40}\b(read|open|send|pass|append|bcc|include|copy|forward|upload|fetch|cat)\b/i
        $s2 = /\b(this|the)\s+tool\s+(must|should)\s+(always\s+)?be\s+(called|used|invoked|run)\s+(first|before\s+(any|every|all|each|using)|prior\s+to\s+any)/i
        $s3 = /\b(otherwise|or)\s+(the\s+|this\s+)?(tool|it)\s+will\s+not\s+(work|function)\b[^\x1e]{0,60}\b(do\s+not|don(\'|`|\xe2\x80\x99)?t|never)\s+(tell|mention|explain)/i
    condition:
        any of them
}

rule tool_result_spoof
{
    meta:
        title = "Forged tool result"
        description = "Matches markup with which applications pass a tool's result to a model. In data, it forges a trusted result."
        category = "prompt-injection"
        severity = "low"
        confidence = "0.5"
        taxonomy = "OWASP-LLM01:2025, OWASP-LLM06:2025, ATLAS:AML.T0053"
        remediation = "Remove the call or instruction, and require human approval before tools with side effects run."
        references = "https://genai.owasp.org/llmrisk/llm062025-excessive-agency/, https://atlas.mitre.org/techniques/AML.T0053"
        false_alarms = "Chat templates and training data for tool use."
    strings:
        $s1 = /<(tool_response|function_results?|tool_result|tool_results|observation)>\s{0,8}(\{|<|\[|error|success|result|system)/i
        $s2 = "<|tool_response|>" nocase
        $s3 = "[TOOL_RESULTS]"
        $s4 = "<|start_header_id|>ipython" nocase
    condition:
        any of them
}

rule react_step_spoof
{
    meta:
        title = "Forged agent step"
        description = "Matches the Action and Action Input lines of agent prompts that name a tool with side effects. In data, they forge a step."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.6"
        taxonomy = "OWASP-LLM01:2025, OWASP-LLM06:2025, ATLAS:AML.T0053"
        remediation = "Remove the call or instruction, and require human approval before tools with side effects run."
        references = "https://genai.owasp.org/llmrisk/llm062025-excessive-agency/, https://atlas.mitre.org/techniques/AML.T0053"
        false_alarms = "Agent documentation and traces."
    strings:
        $s1 = /\bAction:\s{0,4}(send_?(e?mail|message|money|sms|funds|payment|slack\w*)|forward_?e?mail|execute_?(command|shell|code|sql|bash|python)|run_?(command|shell\w*|terminal\w*|code|bash|python|script)|exec_?(command|shell)|shell_?exec\w*|bash|terminal|delete_?(file|email|all|user|record|account|repo\w*|database|event|message)s?|transfer_?(funds|money)|bank\w*transfer|make_?(payment|purchase|transaction)|http_?(get|post|request)|post_?webpage|fetch_?url|write_?file|read_?file|share_?file|grant\w*(access|permission\w*)|unlock_?door|create_?user|change_?password|update_?password|invite_?user\w*|schedule_?transaction|upload_?file)\s{0,4}\n\s{0,4}Action\s+Input:/i
    condition:
        any of them
}
