// Hidden instructions: instructions aimed at a language model that people do not see, in comments, invisible styles, attributes or encodings.

rule html_comment_override
{
    meta:
        title = "Override instruction in an HTML comment"
        description = "Matches an HTML comment that directs a model to ignore or override its instructions. Readers of the rendered page never see it."
        category = "hidden-content"
        severity = "high"
        confidence = "0.85"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051.001, ATLAS:AML.T0068"
        remediation = "Remove the hidden passage, and find out who put it into the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0068"
        false_alarms = "Teaching material about prompt injection."
    strings:
        $s1 = /<!--[^\x1e>]{0,100}\b(ignore|disregard|forget|override)\s+((all|any|the|your|every|of|everything)\s+)*(previous|prior|above|earlier|preceding|original|system|safety)\s+([\w-]+\s+){0,1}(instruction|prompt|direction|guideline|rule|directive|message|context)/i
    condition:
        any of them
}

rule html_comment_to_model
{
    meta:
        title = "HTML comment addressed to a model"
        description = "Matches an HTML comment addressed to an AI, model or agent, where instructions can be hidden from human readers."
        category = "hidden-content"
        severity = "medium"
        confidence = "0.65"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051.001, ATLAS:AML.T0068"
        remediation = "Remove the hidden passage, and find out who put it into the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0068"
        false_alarms = "Templates with legitimate notes for coding assistants."
    strings:
        $s1 = /<!--\s{0,8}((hidden|secret|important|note|attention|notice|message|instructions?|hey|dear|hello|prompt|warning|system)[^\w\x1e]{1,4})((to|for)\s+)?((all|any|the)\s+)*(ai|llm|chatbot|claude|gpt|chatgpt|copilot|gemini|language\s+model|large\s+language\s+model)s?\b/i
        $s2 = /<!--\s{0,8}(ai|llm|claude|chatgpt|copilot|language\s+model)[ -]?(agents?|assistants?|models?|instructions?|prompt)?\s?(:|,|must|should|please)/i
        $s3 = /<!--[^\x1e>]{0,60}\bwhen\s+(you\s+)?(summari[sz]|translat|process|review|answer)[^\x1e>]{1,60}\b(end\s+with|include|mention|say|add|must|always|recommend|tell|visit|reply)\b/i
        $s4 = /<!--[^\x1e>]{0,90}\b(ai\s+(assistant|agent|model)|llm|language\s+model|chatbot)s?\b[^\x1e>]{0,60}\b(must|you\s+should|always|never|do\s+not\s+(tell|mention|reveal))\b/i
    condition:
        any of them
}

rule html_comment_tool_order
{
    meta:
        title = "Exfiltration instruction in an HTML comment"
        description = "Matches an HTML comment that asks for secrets or a conversation to be sent somewhere."
        category = "exfiltration"
        severity = "high"
        confidence = "0.8"
        taxonomy = "OWASP-LLM01:2025, OWASP-LLM02:2025, ATLAS:AML.T0051.001, ATLAS:AML.T0057"
        remediation = "Remove the hidden passage, and find out who put it into the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0068"
        false_alarms = "Developers' comments about login forms."
    strings:
        $s1 = /<!--[^\x1e>]{0,100}\b(send|forward|upload|exfiltrate|transmit|append|post)\s+[^\x1e>]{0,60}(passwords?|secrets|api\s*_?keys?|credentials|conversation|chat\s+history|system\s+prompt|private\s+key|environment\s+variables)\b[^\x1e>]{0,60}(https?:\/|@|to\s+|via\s+)/i
    condition:
        any of them
}

rule markdown_comment_instruction
{
    meta:
        title = "Instruction to a model in a markdown comment"
        description = "Matches a markdown link definition used as a comment that contains an instruction to a model. Renderers do not show it."
        category = "hidden-content"
        severity = "high"
        confidence = "0.8"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051.001, ATLAS:AML.T0068"
        remediation = "Remove the hidden passage, and find out who put it into the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0068"
        false_alarms = "Notes for coding assistants."
    strings:
        $s1 = /\[[^\]\x1e\n]{0,24}\]:\s*(#|<>)\s+["\'\(][^\x1e\n]{0,120}(\b(ignore|disregard|forget|override)\s+((all|any|the|your|every|each|of|everything)\s+)*(previous|prior|above|earlier|preceding|system|safety|instructions|guidelines|user)|ai\s+(assistant|agent|model)|\bllm\b|language\s+model|system\s+prompt|you\s+must|do\s+not\s+tell)/i
    condition:
        any of them
}

rule invisible_style_instruction
{
    meta:
        title = "Instruction to a model in invisible text"
        description = "Matches an HTML element styled to be invisible (hidden, zero size, white, off screen) whose text is addressed to a model."
        category = "hidden-content"
        severity = "high"
        confidence = "0.85"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051.001, ATLAS:AML.T0068"
        remediation = "Remove the hidden passage, and find out who put it into the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0068"
        false_alarms = "Dialogs of AI products that are hidden at first."
    strings:
        $s1 = /(display:\s?none|visibility:\s?hidden|font-size:\s?[01](px|pt|em|rem)?\s?[;"\']|opacity:\s?0(\.0)?[1]?\s?[;"\']|color:\s?(white|#fff(fff)?|transparent)\s?[;"\']|(left|top|text-indent):\s?-\d{3,5})[^>\x1e]{0,100}>[^<\x1e]{0,140}(\b(ignore|disregard|forget|override)\s+((all|any|the|your|every|each|of|everything)\s+)*(previous|prior|above|earlier|preceding|system|safety|instructions|guidelines|user)|ai\s+(assistant|agent|model)s?\b|\bllms?\b|language\s+model|system\s+prompt|chatgpt|do\s+not\s+tell\s+the\s+user)/i
    condition:
        any of them
}

rule latex_invisible_instruction
{
    meta:
        title = "Instruction to a model in invisible LaTeX text"
        description = "Matches white or tiny LaTeX text addressed to a model or a reviewer."
        category = "hidden-content"
        severity = "high"
        confidence = "0.85"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051.001, ATLAS:AML.T0068"
        remediation = "Remove the hidden passage, and find out who put it into the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0068"
        false_alarms = "Papers about this technique."
    strings:
        $s1 = /\\(textcolor|color|tiny)[^\x1e\n]{0,40}(white|1,1,1|fontsize)[^\x1e\n]{0,20}\}[^\x1e\n]{0,160}(\b(ignore|disregard|forget|override)\s+((all|any|the|your|every|each|of|everything)\s+)*(previous|prior|above|earlier|preceding|system|safety|instructions|guidelines|user)|positive\s+review|llm\s+review|language\s+model|\bllm\b|accept(ing|ance)?\s+(of\s+)?this\s+paper)/i
        $s2 = /\\fontsize\{(0?\.\d{1,2}|[0-2])(pt)?\}[^\x1e\n]{0,120}(\b(ignore|disregard|forget|override)\s+((all|any|the|your|every|each|of|everything)\s+)*(previous|prior|above|earlier|preceding|system|safety|instructions|guidelines|user)|positive\s+review|language\s+model|\bllm\b)/i
    condition:
        any of them
}

rule html_attribute_instruction
{
    meta:
        title = "Override instruction in an HTML attribute"
        description = "Matches an alt, title, aria, meta or data attribute that directs a model to ignore its instructions."
        category = "hidden-content"
        severity = "high"
        confidence = "0.8"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051.001, ATLAS:AML.T0068"
        remediation = "Remove the hidden passage, and find out who put it into the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0068"
        false_alarms = "Test data for prompt injection detectors."
    strings:
        $s1 = /(alt|title|aria-label|aria-description|data-[a-z]+|content|placeholder)\s?=\s?["\'][^"\'\x1e>]{0,80}\b(ignore|disregard|forget)\s+((all|any|the|your|of)\s+)*(previous|prior|above|earlier|preceding)\s+([\w-]+\s+)?(instruction|prompt|direction|guideline|directive)/i
    condition:
        any of them
}

rule encoded_override_instructions
{
    meta:
        title = "Encoded override instruction"
        description = "Matches \"ignore previous instructions\" and similar phrases in base64, hex, percent-encoded, entity, ROT13, reversed or leet form. Only someone who wants to evade a filter writes them this way."
        category = "hidden-content"
        severity = "high"
        confidence = "0.9"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051.001, ATLAS:AML.T0068"
        remediation = "Remove the hidden passage, and find out who put it into the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0068"
        false_alarms = "Test sets for obfuscated injection."
    strings:
        $s1 = "gnore all previous" base64
        $s2 = "gnore previous inst" base64
        $s3 = "gnore all prior" base64
        $s4 = "isregard all previous" base64
        $s5 = "isregard previous" base64
        $s6 = "orget all previous" base64
        $s7 = "gnore the above" base64
        $s8 = "GNORE ALL PREVIOUS" base64
        $s9 = "GNORE PREVIOUS INST" base64
        $s10 = "eveal your system prompt" base64
        $s11 = "676e6f726520616c6c2070726576696f7573" nocase
        $s12 = "676e6f72652070726576696f757320696e" nocase
        $s13 = "67 6e 6f 72 65 20 61 6c 6c 20 70 72 65 76" nocase
        $s14 = "ignore%20all%20previous" nocase
        $s15 = "ignore%20previous%20instructions" nocase
        $s16 = "ignore+all+previous+instructions" nocase
        $s17 = "&#103;&#110;&#111;&#114;&#101;&#32;"
        $s18 = "&#x67;&#x6e;&#x6f;&#x72;&#x65;&#x20;" nocase
        $s19 = "\\u0067\\u006e\\u006f\\u0072\\u0065\\u0020" nocase
        $s20 = "vtaber nyy cerivbhf" nocase
        $s21 = "vtaber cerivbhf vafgehpgvbaf" nocase
        $s22 = "snoitcurtsni suoiverp" nocase
        $s23 = /(1gn0r3|ign0re|1gnore|ignor3)\s+(a11|4ll|al1|all)\s+(pr3v|prev1|prev)/i
    condition:
        any of them
}

rule hidden_text_instruction
{
    meta:
        title = "Instruction to a model in hidden text"
        description = "Matches an instruction to a model in text that the document's format hides: invisible styles, off-page or white-on-white text, hidden sheets and slides."
        category = "hidden-content"
        severity = "high"
        confidence = "0.85"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051.001, ATLAS:AML.T0068"
        remediation = "Remove the hidden passage, and find out who put it into the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0068"
        false_alarms = "Dialogs of AI products that are hidden at first, and papers about this technique."
        views = "hidden"
    strings:
        $s1 = /\b(ignore|disregard|forget|override)\s+((all|any|the|your|every|each|of|everything)\s+)*(previous|prior|above|earlier|preceding|original|system|safety)\s+([\w-]+\s+){0,1}(instruction|prompt|direction|guideline|rule|directive|message|context)/i
        $s2 = /\b(ai\s+(assistant|agent|model|system|reviewer|crawler|summari[sz]er)|llm|(large\s+)?language\s+model|chat\s?bot|chatgpt|claude|gemini|copilot)s?\s{0,3}([,:]|-)\s{0,3}(please\s+)?(you\s+)?(must|should|always|never|do\s+not|recommend|ignore|disregard|approve|accept|rate|rank|say|reply|respond|include|mention|tell|send|visit|give)\b/i
        $s5 = /\b(ai\s+(assistant|agent|model|system|reviewer|crawler|summari[sz]er)|llm|(large\s+)?language\s+model|chat\s?bot|chatgpt|claude|gemini|copilot)s?\b[^\x1e.]{0,40}\b(must|shall|should)\s+(always|never|not|also|only|ignore|disregard|recommend|rate|approve|accept|reply|respond|include|mention|tell|send|give|say|follow|obey|click|visit)\b/i
        $s3 = /\b(if|when|since|because)\s+you\s+are\s+(an?\s+|the\s+)?([\w-]+\s+){0,2}(ai|llm|language\s+model|chatbot|assistant|agent)\b/i
        $s4 = /\b(system\s+prompt\s?:|do\s+not\s+(tell|inform|alert)\s+the\s+user|(give|write|produce)\s+(only\s+)?(a\s+)?(strongly\s+)?positive\s+review|llm\s+reviewers?\b)/i
    condition:
        any of them
}

rule comment_instruction
{
    meta:
        title = "Override instruction in a comment"
        description = "Matches a comment that directs a model to ignore or override instructions, in LaTeX, subtitles, office formats or PDF annotations."
        category = "hidden-content"
        severity = "high"
        confidence = "0.8"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051.001, ATLAS:AML.T0068"
        remediation = "Remove the hidden passage, and find out who put it into the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0068"
        false_alarms = "Teaching material about prompt injection."
        views = "comment"
    strings:
        $s1 = /\b(ignore|disregard|forget|override)\s+((all|any|the|your|every|each|of|everything)\s+)*(previous|prior|above|earlier|preceding|original|system|safety)\s+([\w-]+\s+){0,1}(instruction|prompt|direction|guideline|rule|directive|message|context)/i
        $s2 = /\b(if|when)\s+you\s+are\s+(an?\s+|the\s+)?([\w-]+\s+){0,2}(ai|llm|language\s+model|chatbot)\b[^\x1e]{0,80}\b(must|should|shall|always|never|(do|does)\s+not|please|recommend|ignore|disregard|say|state|mention|include|answer|reply|respond|rate|rank|approve|accept|reject|forward|send|visit|give\s+a)\b/i
    condition:
        any of them
}

rule metadata_instruction
{
    meta:
        title = "Override instruction in metadata"
        description = "Matches a directive to ignore or override instructions in a document's metadata: alternative texts, attributes, titles, keywords, properties."
        category = "hidden-content"
        severity = "high"
        confidence = "0.8"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051.001, ATLAS:AML.T0068"
        remediation = "Remove the hidden passage, and find out who put it into the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0068"
        false_alarms = "Test data for prompt injection detectors, and titles of articles on the subject."
        views = "metadata"
    strings:
        $s1 = /\b(ignore|disregard|forget|override)\s+((all|any|the|your|every|each|of|everything)\s+)*(previous|prior|above|earlier|preceding|original|system|safety)\s+([\w-]+\s+){0,1}(instruction|prompt|direction|guideline|rule|directive|message|context)/i
    condition:
        any of them
}
