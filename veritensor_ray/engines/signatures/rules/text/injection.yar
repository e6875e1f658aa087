// Prompt injection: phrases that direct a language model to drop its instructions, show its prompt, change its role or hide something from the user.

rule override_instructions_en
{
    meta:
        title = "Attempt to override earlier instructions"
        description = "Matches English phrases that direct a model to ignore, forget or override the instructions it was given earlier, the usual opening of a prompt injection."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.85"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051, CWE-1427"
        remediation = "Read the passage in context. If the phrase is addressed to a model rather than quoted, remove or quarantine the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0051"
        false_alarms = "Articles, tests and guidelines about prompt injection that quote these phrases."
    strings:
        $s1 = /\b(ignore|ignoring|disregard|forget|overrule|neglect|dismiss|discard)\s+((all|any|every|each|the|of|your|my|our|these|those|this|that|and|or|other)\s+)*(previous(ly)?|prior|preceding|earlier|above|foregoing|former|original|initial|existing|past|pre-existing)\s+([\w-]+\s+){0,2}(instruction|direction|prompt|guideline|directive|orders\b|programming|guardrail|training\s+(and|data))/i
        $s2 = /\b(ignore|ignoring|disregard|forget|overrule)\s+(all|any|every|everything)\s+(of\s+)?(the\s+|your\s+|my\s+|these\s+|those\s+|our\s+)?(previous(ly)?|prior|preceding|earlier|above|foregoing|former|original|initial|existing|past|pre-existing)\s+([\w-]+\s+){0,1}(rules|commands|contexts?|messages|constraints|restrictions|conversations?|requests|tasks|texts?|statements|input)\b/i
        $s3 = /\b(override|overriding|bypass|bypassing)\s+((all|any|every|each|the|of|your|my|our|these|those|this|that|and|or|other)\s+)*(previous|prior|preceding|earlier|original|initial|system)\s+(system\s+|safety\s+)?(instructions|prompts?\b|guidelines|directives)/i
        $s4 = /\b(ignore|disregard|forget)\s+(absolutely\s+|literally\s+|about\s+)?(everything|anything|all|whatever)\s+(that\s+|which\s+)?(you\s+(were\s+|have\s+|had\s+|just\s+)?(been\s+|ever\s+)?(told|instructed|taught|know|learned|learnt|read)|you[\'`]ve\s+been\s+(told|instructed|taught)|I\s+(just\s+)?(said|told|wrote)|(was|is|has\s+been|were)\s+(said|written|stated|instructed)\s+(above|before|previously)|(written|said|stated)\s+(above|before)|above\b|before\s+this|previously\s+(said|told|stated|instructed)|prior\s+to\s+this)/i
        $s5 = /\b(ignore|disregard|forget)\s+((all|any|every|each|the|of|your|my|our|these|those|this|that|and|or|other)\s+)*([\w-]+\s+)?(instructions|prompts?|directions|guidelines|directives)\s+(above|before\s+this|you\s+(were|have|received|got)|you[\'`]ve|(that\s+)?(was|were)\s+given|given\s+(to\s+you|before|above|earlier|previously)|that\s+(you|came|precede)|so\s+far|and\s+(instead|just|only|now|say|tell|write|print|output|reveal|give|show|do|send))/i
        $s6 = /\b(ignore|disregard|forget|overwrite|abandon)\s+(about\s+)?(all\s+(of\s+)?)?your\s+([\w-]+\s+){0,2}(instructions|system\s+prompt|guidelines|programming|directives|initial\s+prompt|guardrails|safety\s+(rules|training))/i
        $s7 = /\b(stop|cease|quit)\s+(following|obeying)\s+((all|any|every|each|the|of|your|my|our|these|those|this|that|and|or|other)\s+)*([\w-]+\s+)?(instructions|rules|guidelines|orders|directives)\b/i
        $s8 = /\b(do\s+not|don(\'|`|\xe2\x80\x99)?t|never)\s+(follow|obey|listen\s+to)\s+((all|any|every|each|the|of|your|my|our|these|those|this|that|and|or|other)\s+)*(previous(ly)?|prior|preceding|earlier|above|foregoing|former|original|initial|existing|past|pre-existing)\s+(instructions|guidelines|orders|directives|prompts?)\b/i
        $s9 = /\b(ignore|disregard|forget)\s+(the\s+|everything\s+|all\s+|any\s+|(any\s+|all\s+|the\s+)?(text|input|messages?)\s+)(of\s+the\s+)?above\b[^\x1e]{0,24}\b(and|instead|then)\s+(just\s+|only\s+|please\s+|instead\s+)*(say|write|tell|give|print|output|reveal|show|repeat|do|answer|respond|reply|translate|follow)\b/i
        $s10 = /\bforget\s+(about\s+)?everything[,.]?\s+(and\s+)?(just\s+|only\s+|now\s+)?(say|write|tell\s+me|print|output|answer|start\s+over)\b/i
        $s11 = /\b(ignore|disregard|forget)\s+(about\s+)?((all|the|any|your|every)\s+)*(safety|ethical|content|reviewer|moderation)\s+(rules|guidelines|polic(y|ies)|stuff|filters?|restrictions|protocols?|instructions)\b/i
        $s12 = /\b(instructions|directives|guidelines|system\s+prompt)\s+(above|before\s+this|you\s+(were|have\s+been)\s+given|are|is|were|have\s+been|has\s+been)\s+(all\s+)?(now\s+)?(void|cancell?ed|revoked|nullified|null\s+and|overridden|obsolete|superseded|rescinded|no\s+longer\s+(valid|apply|applicable|in\s+effect))/i
    condition:
        any of them
}

rule override_new_instructions_en
{
    meta:
        title = "Replacement instructions for a model"
        description = "Matches English phrases that replace the operator's instructions with new ones, such as \"your new instructions are\" or \"follow only these instructions\"."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.7"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051, CWE-1427"
        remediation = "Read the passage in context. If the phrase is addressed to a model rather than quoted, remove or quarantine the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0051"
        false_alarms = "Role-play logs, onboarding letters and papers about prompt injection."
    strings:
        $s1 = /\byour\s+(new|real|actual|true|only|updated)\s+(instructions?|task|objective|goal|directive|mission|role|system\s+prompt)\s+(is|are|will\s+be)\b/i
        $s2 = /\b(here|these|following|below)\s+(are|is)\s+(your|the)\s+(new|real|updated|actual)\s+(system\s+)?(instructions|directives|orders|prompt)\b/i
        $s3 = /\b(new|updated|revised|real)\s+(system\s+)?(instructions?|prompt|directives?)\s?(:|-|=)\s*(you|ignore|disregard|from\s+now|do\s+not|always|reply|respond|say|print|output|send)\b/i
        $s4 = /\b(follow|obey|comply\s+with)\s+(only\s+)?(these|my|the\s+following|the\s+new)\s+(new\s+)?(instructions|orders|commands|directives)\s+(instead|only|from\s+now\s+on|and\s+(ignore|nothing\s+else|no\s+other))/i
    condition:
        any of them
}

rule system_prompt_extraction_en
{
    meta:
        title = "Request for the system prompt"
        description = "Matches English requests to show, repeat or leak a model's hidden instructions, which an attacker can use to plan the next step."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.75"
        taxonomy = "OWASP-LLM07:2025, OWASP-LLM01:2025, ATLAS:AML.T0056"
        remediation = "Read the passage in context. If the phrase is addressed to a model rather than quoted, remove or quarantine the document."
        references = "https://genai.owasp.org/llmrisk/llm072025-system-prompt-leakage/"
        false_alarms = "Documentation about prompt leaks and evaluation sets that quote such questions."
    strings:
        $s1 = /\b(reveal|repeat|display|leak|disclose|expose|recite|print|show|output|dump|divulge|return|echo|share|list|state|summari[sz]e|explain|tell|give|spell\s+out|write\s+(out|down))\s+((me|us|back|out|exactly|verbatim|to|all|of|everything|about|in|please)\s+)*your\s+([\w-]+\s+){0,3}(prompts?\b|instructions\b|system\s+message|directives\b|guidelines\b|pre-?prompt)/i
        $s2 = /\b(reveal|leak|disclose|expose|recite|divulge|show\s+me|tell\s+me|give\s+me|print\s+out|repeat|spell\s+out)\s+(me\s+|us\s+|back\s+|to\s+me\s+)?(the|all|any|what\s+the)\s+([\w-]+\s+){0,2}(system|hidden|developer|secret|internal|confidential|initial)\s+(system\s+|developer\s+)?(prompt|message|instructions)/i
        $s3 = /\b(print|output|display|show|dump)\s+(me\s+)?(the\s+)?(hidden|secret|confidential|entire|full|exact|complete)\s+(hidden\s+|secret\s+|initial\s+)?(system|developer|initial)\s+(prompt|message|instructions)/i
        $s4 = /\bwhat([\'`]s|\s+is|\s+are|\s+was|\s+were)\s+your\s+([\w-]+\s+){0,2}(system\s+prompt|pre-?prompt|(initial|hidden|secret|original|exact|full|first|previous)\s+(prompt|instructions))/i
        $s5 = /\b(repeat|print|output|copy|recite|rewrite|translate)\s+((back|me|out|exactly|all|of|verbatim|word\s+for\s+word)\s+)*(the\s+(words|text|content|instructions|message|prompt)|everything|all)\s+(above|before\s+this|preceding\s+this|prior\s+to\s+this)([.,:;!?"\'\)]|\n|$|\s+(this|exactly|verbatim|starting|beginning|in\s+an?|as\s+an?|word|line|message|prompt|and|into|to\s+me))/i
        $s6 = /\b(print|output|repeat|show|list|explain|translate|reveal|summari[sz]e|copy)\s+(me\s+|us\s+)?(all\s+|out\s+)?(of\s+)?(the\s+|your\s+|my\s+)?(previous|above|prior|preceding|original|initial)\s+(instructions|prompts?)\b/i
        $s7 = /\bwhat\s+(are|were)\s+your\s+(exact\s+|full\s+|current\s+)?instructions\b/i
        $s8 = /\bbegin(ning)?s?\s+with\s+["\'`]?you\s+are\s+(chatgpt|a\s+large\s+language|an?\s+(helpful\s+)?(ai|assistant))/i
    condition:
        any of them
}

rule secret_extraction_en
{
    meta:
        title = "Request for a secret that a model holds"
        description = "Matches English requests that a model reveal a password, access code or secret key it was instructed to keep."
        category = "prompt-injection"
        severity = "low"
        confidence = "0.5"
        taxonomy = "OWASP-LLM02:2025, ATLAS:AML.T0057"
        remediation = "Read the passage in context. If the phrase is addressed to a model rather than quoted, remove or quarantine the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0051"
        false_alarms = "Fiction, puzzles and support pages that ask people for such things."
    strings:
        $s1 = /\b(reveal|disclose|divulge|leak|tell\s+me|give\s+me|show\s+me|hand\s+over|spell\s+out|say)\s+(me\s+)?(to\s+me\s+)?(what\s+)?(the|your)\s+([\w-]+\s+){0,1}(secret\b|secrets\b|password|passcode|access\s+code|passphrase|pass\s+phrase|credentials|api\s+keys?)/i
        $s2 = /\bwhat([\'`]s|\s+is|\s+was)\s+(the|your)\s+([\w-]+\s+){0,1}(secret\s+(key|word|phrase|code|password)|access\s+code|passcode|hidden\s+(password|flag|key))\b/i
    condition:
        any of them
}

rule jailbreak_persona_en
{
    meta:
        title = "Jailbreak persona"
        description = "Matches names and phrases of well-known jailbreak personas, such as \"do anything now\" or \"developer mode enabled\", that put a model in an unrestricted role."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.75"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0054"
        remediation = "Read the passage in context. If the phrase is addressed to a model rather than quoted, remove or quarantine the document."
        references = "https://atlas.mitre.org/techniques/AML.T0054"
        false_alarms = "Papers, blocklists and news items about jailbreaks that quote these personas."
    strings:
        $s1 = /\bdo\s+anything\s+now\b/i
        $s2 = /\bDAN\s+(mode|Mode|MODE|prompt|Prompt|jailbreak)\b/
        $s3 = /\b(act|pretend|behave|respond|answer|reply|roleplay|simulate)\s+(as|like|to\s+be)\s+(if\s+you\s+(are|were)\s+)?(an?\s+|the\s+)?(DAN|STAN|DUDE|AIM|evil\s+(ai|bot|assistant|confidant|trusted)|unrestricted\s+(ai|language|chatbot|assistant|model)|uncensored\s+(ai|language|chatbot|assistant|model)|unfiltered\s+(ai|language|chatbot|assistant|model)|amoral\s+(ai|language|chatbot|assistant)|jailbroken)\b/i
        $s4 = /\byou\s+are\s+(now\s+)?(DAN\b|jailbroken|unrestricted|uncensored|unfiltered|an?\s+(unrestricted|uncensored|unfiltered|amoral|jailbroken|rogue|evil)\s+([\w-]+\s+)?(ai|chatbot|assistant|language\s+model|model|bot|entity)\b|no\s+longer\s+(bound|restricted|an\s+ai|a\s+language\s+model|constrained|limited\s+by))/i
        $s5 = /\b(developer|jailbreak|god|sudo|debug|unrestricted|opposite|evil|maintenance|admin)\s+mode\s+(is\s+)?(now\s+)?(enabled|activated|unlocked|engaged)\b[^\x1e\n]{0,30}(output|response|chatgpt|assistant|\bai\b|filter|restriction|policy|policies|ignore)/i
        $s6 = /\b(enter|enable|activate|switch\s+(in)?to|simulate|emulate)\s+([\w-]+\s+){0,3}(jailbreak|unrestricted|uncensored|DAN)\s+mode\b/i
        $s7 = /\b(pretend|as\s+if|imagine|act\s+like|from\s+now\s+on|now)\s+(that\s+)?you\s+(have|had)\s+no\s+(safety|restrictions|rules|limits|limitations|ethical|moral|filters|content|guidelines|boundaries)\b/i
        $s8 = /\byou\s+have\s+no\s+(restrictions|ethical|moral\s+(code|limits)|safety\s+(filters?|rules|guidelines)|content\s+(filters?|policy))\b[^\x1e\n]{0,60}(comply|answer|respond|obey|anything|explain|must|any\s+request|everything)/i
        $s9 = /\bchatgpt\s+with\s+(developer\s+mode|DAN)\b/i
        $s10 = /\b(broken|break|freed?)\s+(free\s+)?(of|from)\s+the\s+typical\s+(confines|bonds|limits)\s+of\s+ai\b/i
        $s11 = /\b(has|have|having|with|without)\s+(no|any|all)\s+(ethical|moral)\s+(or\s+(ethical|moral|legal)\s+)?(guidelines|restrictions|limitations|limits|constraints|boundaries|filters?)\b[^\x1e\n]{0,80}(\bai\b|chatbot|model|assistant|respon|answer)/i
    condition:
        any of them
}

rule role_takeover_en
{
    meta:
        title = "Instruction to take on a new role"
        description = "Matches English phrases that give a model a new role for the rest of the conversation. A document or record has no reason to do this."
        category = "prompt-injection"
        severity = "low"
        confidence = "0.55"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0054"
        remediation = "Read the passage in context. If the phrase is addressed to a model rather than quoted, remove or quarantine the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0051"
        false_alarms = "Dialog and fiction in which people say this to each other."
    strings:
        $s1 = /\bfrom\s+now\s+on,?\s+(on\s+)?you\s+(are|will|must|shall|should|have\s+to|only|act|respond|speak|always|answer)\b/i
        $s2 = /\byou\s+are\s+no\s+longer\s+(an?\s+|the\s+)?(ai|assistant|chatbot|chatgpt|gpt|claude|language\s+model|helpful|large\s+language)\b/i
        $s3 = /\b(forget|ignore)\s+(that\s+)?you\s+are\s+an?\s+(ai|assistant|chatbot|language\s+model|helpful|large\s+language)/i
        $s4 = /\b(pretend|imagine|suppose|assume)\s+(that\s+)?you\s+are\s+(not\s+|no\s+longer\s+)(an?\s+)?(ai|assistant|chatbot|language\s+model|bound|restricted|limited)/i
        $s5 = /\b(stay|remain|always\s+be)\s+in\s+character\b[^\x1e\n]{0,60}(chatgpt|\bai\b|assistant|persona|jailbreak|break|never|stop)/i
    condition:
        any of them
}

rule conceal_from_user_en
{
    meta:
        title = "Instruction to hide something from the user"
        description = "Matches English instructions not to inform the user about an instruction or action, which show an intent to deceive the person the model serves."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.75"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051"
        remediation = "Read the passage in context. If the phrase is addressed to a model rather than quoted, remove or quarantine the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0051"
        false_alarms = "Software security guidelines and the prompts of legitimate assistants, which contain similar sentences."
    strings:
        $s1 = /\b(do\s+not|don(\'|`|\xe2\x80\x99)?t|never|must\s+not|should\s+not)\s+(tell|inform|notify|alert|warn|let)\s+(the|your|any)\s+(user|human|operator|customer)s?\s+(know\s+)?(about|that|of|what|why)\s+(this|these|that|it\b|you|the\s+(instruction|injection|hidden|tool|transfer|email|change|action)|any\s+of)/i
        $s2 = /\b(do\s+not|don(\'|`|\xe2\x80\x99)?t|never|must\s+not)\s+(mention|reveal|disclose|report|admit)\s+(this|these|that|it|any\s+of\s+this|anything|the\s+(existence|presence|content|contents)|having)\b[^\x1e\n]{0,30}(to|from)\s+(the|your)\s+(user|human|operator|customer)s?\b/i
        $s3 = /\bwithout\s+(telling|informing|notifying|alerting|asking|mentioning)\s+(this\s+|it\s+)?(to\s+)?(the\s+|your\s+)(user|human|operator)s?\b[^\x1e\n]{0,60}(send|forward|delete|transfer|upload|execute|instruction|email|secret)/i
        $s4 = /\b(send|forward|delete|transfer|upload|execute|run|call|read|include|append)\b[^\x1e\n]{0,80}\bwithout\s+(telling|informing|notifying|alerting|asking)\s+(the\s+|your\s+)(user|human|operator)\b/i
        $s5 = /\b(hide|conceal|keep)\s+(this|(this|these|the|that)\s+(instruction|fact|action|email|transfer|request|message|note|step)s?|(it|them)\s+(secret|hidden))[^\x1e\n]{0,10}\s+(secret\s+|hidden\s+)?from\s+(the|your)\s+(user|human|operator)s?\b/i
        $s6 = /\b(do\s+not|don(\'|`|\xe2\x80\x99)?t|never)\s+(mention|reveal|disclose|acknowledge|refer\s+to)\s+(that\s+you\s+(have\s+)?(received|saw|got|were|read)|these\s+(hidden\s+)?instructions|this\s+(hidden\s+)?(instruction|prompt|message)|the\s+(hidden\s+)?(instructions|injection))/i
    condition:
        any of them
}

rule addressed_to_model_en
{
    meta:
        title = "Text addressed to a language model"
        description = "Matches English phrases in which a document addresses the model that reads it, the sign of an indirect prompt injection."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.65"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051.001, CWE-1427"
        remediation = "Read the passage in context. If the phrase is addressed to a model rather than quoted, remove or quarantine the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0051"
        false_alarms = "Pages with legitimate notes for crawlers and agents (for example, llms.txt)."
    strings:
        $s1 = /\b(attention|important|note|notice|message|instructions?|warning|reminder|directive|dear|hello|hey)[^\w\x1e]{1,4}((important|special|secret|hidden)\s+)?((to|for|from)\s+)?((all|any|the|every|our|future)\s+)*(ai|llm|artificial\s+intelligence|language\s+model|chatbot|large\s+language\s+model|chatgpt|copilot|claude|gemini)s?([ -](model|assistant|agent|system|reader|reviewer|summari[sz]er|crawler|bot|tool|scraper)s?)?\s?(:|!|\s+(reading|processing|summari[sz]ing|parsing|evaluating|analy[sz]ing|reviewing|that\s+(is\s+)?read|who\s+read))/i
        $s2 = /\bif\s+you([\'`]re|\s+are)\s+(an?\s+|any\s+)?(ai|llm|chatbot|artificial\s+intelligence|language\s+model|large\s+language\s+model|automated\s+(reviewer|assistant))([ -](model|assistant|agent|system|bot|reviewer|crawler)s?)?(,\s+|\s+(and\s+|that\s+is\s+|who\s+is\s+|currently\s+|also\s+)?(reading|processing|summari[sz]|evaluating|reviewing|parsing|please|you\s+must|ignore|and\s+you))/i
        $s3 = /\b(ai|llm|language\s+model|chatbot)s?([ -](model|assistant|agent|system)s?)?\s+(reading|processing|summari[sz]ing|evaluating|reviewing)\s+this\s+([\w-]+\s+)?(must|should|shall|has\s+to|have\s+to|is\s+required|are\s+required|,|please|:)/i
        $s4 = /\bas\s+an?\s+(ai|llm|language\s+model|ai\s+(assistant|agent|model))\s+(reading|processing|summari[sz]ing)\s+this\b/i
        $s5 = /\bwhen\s+(you\s+)?(summari[sz](e|ing)|process(ing)?|translat(e|ing)|analy[sz](e|ing))\s+this\s+(document|page|text|email|file|article|message|repository|website)\b[^\x1e\n]{0,20}(you\s+must|you\s+should|always|also\s+(say|state|include|mention|add|send)|include\s+(the|this)\s+(link|phrase|sentence|text|word)|do\s+not\s+mention|instead)/i
    condition:
        any of them
}

rule injected_section_marker
{
    meta:
        title = "Fake end-of-data marker"
        description = "Matches headings and tags with which an injection pretends that the data has ended and the operator's instructions begin."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.7"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051, CWE-1427"
        remediation = "Read the passage in context. If the phrase is addressed to a model rather than quoted, remove or quarantine the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0051"
        false_alarms = "Prompt templates and papers that describe delimiters."
    strings:
        $s1 = /(\[|<|#|=|-|\*){1,6}\s{0,2}(system|admin|administrator|developer|root|emergency|security)[ _-](override|instructions?\s+update|prompt\s+update|command|directive|alert\s+override)\s{0,2}(\]|>|#|=|-|\*|:)/i
        $s2 = /(-|=|#|\*|_|\[|<){2,10}\s{0,2}end\s+of\s+(the\s+)?(user\s+(input|query|message|data|prompt)|untrusted\s+(data|content|input)|system\s+(prompt|message|instructions?)|context|retrieved\s+(context|documents?))\b/i
        $s3 = /(-|=|#|\*|_|\[|<){2,10}\s{0,2}(begin|start)\s+(of\s+)?(the\s+)?(new|real|actual|admin|priority|secret|hidden|injected)\s+(system\s+)?(instructions?|prompt|orders?|directives?)\b/i
        $s4 = /<(information|important|instruction|instructions|admin|override)>\s{0,8}(this\s+is\s+an?\s+important\s+message|ignore|disregard|you\s+must|before\s+(you|using|answering)|do\s+not\s+(tell|mention)|important\s+message\s+from|please\s+(do\s+the\s+following|first))/i
        $s5 = /\b(system|admin|administrator|security|priority)\s+override\s*(code|:|-|=|activated|initiated|engaged|in\s+effect|accepted)/i
    condition:
        any of them
}

rule safety_bypass_en
{
    meta:
        title = "Instruction to bypass a model's safety rules"
        description = "Matches English phrases that direct a model to work around its safety rules, content filters or ethical limits."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.7"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0054"
        remediation = "Read the passage in context. If the phrase is addressed to a model rather than quoted, remove or quarantine the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0051"
        false_alarms = "Papers about alignment, and red-team datasets."
    strings:
        $s1 = /\b(bypass|circumvent|disable|deactivate|ignore|disregard|override|evade|forget|turn\s+off|switch\s+off|shut\s+off)\s+(all\s+)?(of\s+)?(your|its|openai[\'`]?s?|the\s+model[\'`]s|the\s+ai[\'`]s|chatgpt[\'`]s|anthropic[\'`]s)\s+([\w-]+\s+){0,2}(safety|ethical|ethics|moral|content|moderation|censorship|guardrails?)(\s+|\b)[^\x1e]{0,20}(filter|guideline|rule|polic|restriction|protocol|guardrail|limit|boundar|training|constraint|mechanism|setting|feature)/i
        $s2 = /\b(bypass|circumvent|evade|violate|free\s+of|free\s+from|unbound\s+by|not\s+bound\s+by)\s+(all\s+|any\s+)?(the\s+|of\s+the\s+)?openai([\'`]s)?\s+([\w-]+\s+)?(content\s+)?(polic(y|ies)|guidelines|restrictions|rules|filters?)/i
        $s3 = /\b(do\s+not|don(\'|`|\xe2\x80\x99)?t|never)\s+(refuse|decline|reject)\s+(to\s+answer|any\s+(request|question|prompt|instruction|order)|my\s+(request|question)|a\s+(direct\s+)?(order|request|question)|or\s+(warn|lecture|apologi[sz]e))/i
        $s4 = /\bnever\s+(say|use|include|write)\s+(the\s+)?(words?\s+|phrases?\s+)?["\'`]?(I\s+can(\'|`|n|\xe2\x80\x99)*t|I(\'|`|\xe2\x80\x99)?m\s+sorry|as\s+an\s+ai|I\s+apologi[sz]e|unfortunately|I\s+cannot)/i
    condition:
        any of them
}

rule review_manipulation
{
    meta:
        title = "Hidden request for a good review or ranking"
        description = "Matches phrases that direct a model to praise, accept or rank first the document it is judging, as found in papers, résumés and product pages."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.75"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051.001"
        remediation = "Read the passage in context. If the phrase is addressed to a model rather than quoted, remove or quarantine the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0051"
        false_alarms = "Articles about this technique, and genuine letters of recommendation."
    strings:
        $s1 = /\b(give|write|provide|generate|output|produce|submit)\s+(me\s+)?(an?\s+|only\s+)?(very\s+|highly\s+|strongly\s+)?positive\s+reviews?\s+(only|and\s+do\s+not|to\s+this)\b/i
        $s2 = /\bdo\s+not\s+(highlight|mention|list|state|include|discuss)\s+any\s+(negatives?|weakness(es)?|flaws|shortcomings|negative\s+(points|aspects|remarks|comments))\b/i
        $s3 = /\b(recommend|recommending)\s+(to\s+)?(accept(ing|ance\s+of)?|hir(e|ing))\s+this\s+(paper|manuscript|submission|candidate|applicant|article)\b[^\x1e\n]{0,40}(impact|exceptional|contribution|novel|rigor|immediately|strong|qualified|\bai\b|llm|!)/i
        $s4 = /\b(llm|ai|language\s+model)\s+reviewers?\s?:|for\s+(llm|ai)\s+reviewers?\b/i
        $s5 = /\b(rank|rate|score|classify|mark|evaluate)\s+this\s+(candidate|applicant|resume|cv|paper|product|page|website|answer|response)\s+(as\s+)?(the\s+)?(first|highest|top|best|10\/10|excellent|exceptional|highly\s+qualified|number\s+one|#1|perfect)/i
        $s6 = /\b(this\s+is\s+an?\s+|this\s+candidate\s+is\s+(an?\s+)?)(exceptionally|extremely|uniquely)\s+(well[ -])?qualified\s+candidate\b/i
    condition:
        any of them
}

rule override_instructions_de
{
    meta:
        title = "Attempt to override earlier instructions (German)"
        description = "Matches German phrases that direct a model to ignore or forget the instructions it was given earlier."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.8"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051, CWE-1427"
        remediation = "Read the passage in context. If the phrase is addressed to a model rather than quoted, remove or quarantine the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0051"
        false_alarms = "German texts about prompt injection."
    strings:
        $s1 = /\b(ignorier(e|en|t)|missachte[nt]?|vergiss|vergesst|vergessen)\s+(sie\s+|bitte\s+|jetzt\s+|doch\s+|nun\s+){0,2}((alle|alles|all|die|deine|ihre|eure|meine|s(ä|Ä)mtliche|jegliche|jede|allen|den|aller|dieser?)\s+)*(vorherige[nrms]?|vorherigen|vorangegangene[nrms]?|bisherige[nrms]?|obige[nrms]?|fr(ü|Ü)here[nrms]?|vorige[nrms]?|vorhergehende[nrms]?|urspr(ü|Ü)ngliche[nrms]?|vorstehende[nrms]?|zuvor\s+[a-z\x80-\xff]+)\s+((und|oder|oben|[a-z\x80-\xff]+)\s+)*(anweisung|instruktion|befehl|aufforderung|vorgabe|anordnung|auftrag|auftr(ä|Ä)ge|aufgabe|prompt|regel|richtlinie|kontext|hinweis)/i
        $s2 = /\b(ignorier(e|en|t)|vergiss|vergessen|missachte)\s+(sie\s+|bitte\s+|jetzt\s+)?(alles|alle\s+(befehle|anweisungen|instruktionen|regeln|aufgaben|auftr(ä|Ä)ge|vorgaben))\b[ ,]{1,3}(was\s+|die\s+)?(du|ich|sie|ihr|zuvor|vorher|bisher|oben|davor|dar(ü|Ü)ber|bevor|vor)\b/i
        $s3 = /\b(ignorier(e|en)|vergiss|missachte)\s+(bitte\s+)?(alle\s+)?(deine|ihre)\s+([a-z\x80-\xff]+\s+)?(anweisungen|instruktionen|vorgaben|richtlinien|programmierung|regeln)/i
        $s4 = /\b(halte\s+dich|h(ö|Ö)re)\s+(nicht\s+(mehr\s+)?)(an|auf)\s+(die|deine)\s+([a-z\x80-\xff]+\s+)?(anweisungen|regeln|vorgaben|richtlinien)\b/i
    condition:
        any of them
}

rule override_instructions_fr
{
    meta:
        title = "Attempt to override earlier instructions (French)"
        description = "Matches French phrases that direct a model to ignore or forget the instructions it was given earlier."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.8"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051, CWE-1427"
        remediation = "Read the passage in context. If the phrase is addressed to a model rather than quoted, remove or quarantine the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0051"
        false_alarms = "French texts about prompt injection."
    strings:
        $s1 = /\b(ignore[rz]?|ignorons|oublie[rz]?|n(é|É)glige[rz]?|neglige[rz]?|outrepasse[rz]?)\s+((toutes?|tous?|tout|les|tes|vos|ces|mes|des|de)\s+)*(instructions?|consignes?|directives?|ordres|commandes|r(è|È)gles|indications)\s+((qui|donn(é|É)es?|re(ç|Ç)ues?)\s+)*(pr(é|É)c(é|É)dente?s?|precedente?s?|ant(é|É)rieure?s?|anterieure?s?|ci-dessus|initiales?|pr(é|É)alables|d[\'`]avant|pass(é|É)es|ont\s+(é|É)t(é|É)|t[\'`]ont|vous\s+ont|que\s+(tu|vous|je|l))/i
        $s2 = /\b(ignore[rz]?|oublie[rz]?)\s+((toutes?|tous?|les|tes|vos)\s+){1,3}(pr(é|É)c(é|É)dente?s|precedente?s|anciennes?|premi(è|È)res)\s+(instructions|consignes|directives|r(è|È)gles)/i
        $s3 = /\b(ignore[rz]?|oublie[rz]?)\s+tout\s+(ce\s+(qui|que)\s+(pr(é|É)c(è|È)de|pr(é|É)c(é|É)de|precede|tu|vous|je|l[\'`]on|on|a\s+(é|É)t(é|É))|le\s+reste\s+ci-dessus)/i
        $s4 = /\b(ne\s+)?(tiens|tenez)\s+(pas|aucun)\s+compte\s+(des|de\s+toutes\s+les|de\s+vos|de\s+tes)\s+([a-z\x80-\xff]+\s+)?(instructions|consignes|directives)/i
        $s5 = /\b(ignore[rz]?|oublie[rz]?)\s+(tes|vos)\s+(instructions|consignes|directives|r(è|È)gles)\b/i
    condition:
        any of them
}

rule override_instructions_es
{
    meta:
        title = "Attempt to override earlier instructions (Spanish)"
        description = "Matches Spanish phrases that direct a model to ignore or forget the instructions it was given earlier."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.8"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051, CWE-1427"
        remediation = "Read the passage in context. If the phrase is addressed to a model rather than quoted, remove or quarantine the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0051"
        false_alarms = "Spanish texts about prompt injection."
    strings:
        $s1 = /\b(ignor(a|e|ar|en|ad)|olvid(a|e|ar|ate|en)|olv(í|Í)date\s+de|desestim(a|e|ar)|descart(a|e|ar)|omit(e|a|ir)|pas(a|e)\s+por\s+alto)\s+((todas?|todos?|todo|las|los|tus|sus|mis|cualquier|de|estas)\s+)*(instrucci((ó|Ó)n|on|ones)|indicaci((ó|Ó)n|ones)|(ó|Ó)rdenes|ordenes|directivas|directrices|reglas|comandos|mensajes)\s+((que|dadas?|recibidas?)\s+)*(anteriores?|previas?|precedentes?|de\s+arriba|iniciales|originales|te\s+(han|dieron|he|di)|has\s+recibido|antes)/i
        $s2 = /\b(ignor(a|e|ar)|olvid(a|e|ar))\s+((todas?|todos?|las|los|tus)\s+){1,3}(anteriores|previas|previos)\s+(instrucciones|indicaciones|(ó|Ó)rdenes|reglas|directrices)/i
        $s3 = /\b(ignor(a|e|ar)|olvid(a|e|ar|ate\s+de))\s+todo\s+(lo\s+(anterior|que\s+(te|se|has|he|est(á|Á))|dicho|previo)|cuanto)/i
        $s4 = /\b(no\s+sigas|no\s+siga|deja\s+de\s+seguir)\s+(las|tus|m(á|Á)s|ninguna)\s+([a-z\x80-\xff]+\s+)?(instrucciones|reglas|indicaciones)\b/i
        $s5 = /\b(ignora|ignore|olvida|olvide)\s+(tus|sus)\s+(instrucciones|directrices|reglas)\b/i
    condition:
        any of them
}

rule override_instructions_it
{
    meta:
        title = "Attempt to override earlier instructions (Italian)"
        description = "Matches Italian phrases that direct a model to ignore or forget the instructions it was given earlier."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.8"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051, CWE-1427"
        remediation = "Read the passage in context. If the phrase is addressed to a model rather than quoted, remove or quarantine the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0051"
        false_alarms = "Italian texts about prompt injection."
    strings:
        $s1 = /\b(ignor(a|are|ate|i)|dimentic(a|are|ate|hi)|trascur(a|are|ate)|scart(a|are)|non\s+(seguire|considerare))\s+((tutte|tutti|tutto|le|i|gli|tue|tuoi|vostre|mie|ogni|queste)\s+)*(istruzion(e|i)|indicazion(e|i)|direttive|ordini|comandi|regole)\s+((che|sono|date|ricevute|state)\s+)*(precedent(e|i)|anterior(e|i)|di\s+cui\s+sopra|sopra|inizial(e|i)|original(e|i)|ti\s+(sono|ho|hanno)|hai\s+ricevuto|fornite)/i
        $s2 = /\b(ignor(a|are|ate)|dimentic(a|are|ate))\s+((tutte|tutti|le|i|gli|tue)\s+){1,3}precedenti\s+(istruzioni|indicazioni|direttive|regole)/i
        $s3 = /\b(ignor(a|are|ate)|dimentic(a|are|ate))\s+tutto\s+(quello\s+(che|precedente)|ci(ò|Ò)\s+che|quanto)\s+/i
        $s4 = /\b(ignora|dimentica|ignorate|dimenticate)\s+le\s+(tue|vostre)\s+(istruzioni|regole|direttive)\b/i
    condition:
        any of them
}

rule override_instructions_pt
{
    meta:
        title = "Attempt to override earlier instructions (Portuguese)"
        description = "Matches Portuguese phrases that direct a model to ignore or forget the instructions it was given earlier."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.8"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051, CWE-1427"
        remediation = "Read the passage in context. If the phrase is addressed to a model rather than quoted, remove or quarantine the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0051"
        false_alarms = "Portuguese texts about prompt injection."
    strings:
        $s1 = /\b(ignor(e|a|ar|em)|esque((ç|Ç)a|ca|cer|ce)|desconsider(e|a|ar)|desprez(e|a|ar)|descart(e|a|ar)|n(ã|Ã)o\s+siga)\s+((de|todas?|todos?|tudo|as|os|suas|seus|tuas|minhas|quaisquer|das)\s+)*(instru(ç|Ç)((ã|Ã)o|(õ|Õ)es)|instru(coes|cao)|ordens|orienta(ç|Ç)((ã|Ã)o|(õ|Õ)es)|diretrizes|diretivas|regras|comandos|mensagens)\s+((que|dadas?|recebidas?|foram)\s+)*(anterior(es)?|pr(é|É)vias?|previas?|precedentes?|acima|iniciais|originais|voc(ê|Ê)|lhe|antes)/i
        $s2 = /\b(ignore|ignorar|esque(ç|Ç)a|esqueca|desconsidere)\s+((de|todas?|todos?|as|os|suas)\s+){1,3}(anteriores|pr(é|É)vias)\s+(instru(ç|Ç)(õ|Õ)es|instrucoes|ordens|regras|diretrizes)/i
        $s3 = /\b(ignore|ignorar|esque(ç|Ç)a|esqueca|desconsidere)\s+tudo\s+(o\s+que|que|acima|isso\s+acima)\b/i
        $s4 = /\b(ignore|esque(ç|Ç)a|esqueca|desconsidere)\s+(as\s+)?(suas|tuas)\s+(instru(ç|Ç)(õ|Õ)es|instrucoes|diretrizes|regras)\b/i
    condition:
        any of them
}

rule override_instructions_ru
{
    meta:
        title = "Attempt to override earlier instructions (Russian)"
        description = "Matches Russian phrases that direct a model to ignore or forget the instructions it was given earlier."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.8"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051, CWE-1427"
        remediation = "Read the passage in context. If the phrase is addressed to a model rather than quoted, remove or quarantine the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0051"
        false_alarms = "Russian texts about prompt injection."
    strings:
        $s1 = /((игнорируй|Игнорируй|ИГНОРИРУЙ)|(игнорируйте|Игнорируйте|ИГНОРИРУЙТЕ)|(проигнорируй|Проигнорируй|ПРОИГНОРИРУЙ)|(проигнорируйте|Проигнорируйте|ПРОИГНОРИРУЙТЕ)|(игнорировать|Игнорировать|ИГНОРИРОВАТЬ)|(забудь|Забудь|ЗАБУДЬ)|(забудьте|Забудьте|ЗАБУДЬТЕ)|(отбрось|Отбрось|ОТБРОСЬ)|(отмени|Отмени|ОТМЕНИ)|(отмените|Отмените|ОТМЕНИТЕ))\s+(((про|Про|ПРО)|(о|О)|(обо|Обо|ОБО)|(все|Все|ВСЕ)|(всё|Всё|ВСЁ)|(всех|Всех|ВСЕХ)|(свои|Свои|СВОИ)|(твои|Твои|ТВОИ)|(ваши|Ваши|ВАШИ)|(эти|Эти|ЭТИ)|(любые|Любые|ЛЮБЫЕ))\s+)*((предыдущие|Предыдущие|ПРЕДЫДУЩИЕ)|(прежние|Прежние|ПРЕЖНИЕ)|(прошлые|Прошлые|ПРОШЛЫЕ)|(предшествующие|Предшествующие|ПРЕДШЕСТВУЮЩИЕ)|(вышеуказанные|Вышеуказанные|ВЫШЕУКАЗАННЫЕ)|(исходные|Исходные|ИСХОДНЫЕ)|(ранее|Ранее|РАНЕЕ)|(первоначальные|Первоначальные|ПЕРВОНАЧАЛЬНЫЕ)|(предыдущих|Предыдущих|ПРЕДЫДУЩИХ)|(системные|Системные|СИСТЕМНЫЕ))\s+([^\x1e\s.,]{2,30}\s+){0,2}((инструкци|Инструкци|ИНСТРУКЦИ)|(указани|Указани|УКАЗАНИ)|(команд|Команд|КОМАНД)|(правил|Правил|ПРАВИЛ)|(распоряжени|Распоряжени|РАСПОРЯЖЕНИ)|(директив|Директив|ДИРЕКТИВ)|(сообщени|Сообщени|СООБЩЕНИ)|(промпт|Промпт|ПРОМПТ)|(задани|Задани|ЗАДАНИ))/
        $s2 = /((игнорируй|Игнорируй|ИГНОРИРУЙ)|(игнорируйте|Игнорируйте|ИГНОРИРУЙТЕ)|(забудь|Забудь|ЗАБУДЬ)|(забудьте|Забудьте|ЗАБУДЬТЕ))\s+(((все|Все|ВСЕ)|(всё|Всё|ВСЁ)|(про|Про|ПРО))\s+)*((инструкции|Инструкции|ИНСТРУКЦИИ)|(указания|Указания|УКАЗАНИЯ)|(команды|Команды|КОМАНДЫ)|(правила|Правила|ПРАВИЛА))\s+((выше|Выше|ВЫШЕ)|(которые|Которые|КОТОРЫЕ)|(данные|Данные|ДАННЫЕ)|(до|До|ДО)|(ранее|Ранее|РАНЕЕ))/
        $s3 = /((забудь|Забудь|ЗАБУДЬ)|(забудьте|Забудьте|ЗАБУДЬТЕ)|(игнорируй|Игнорируй|ИГНОРИРУЙ)|(игнорируйте|Игнорируйте|ИГНОРИРУЙТЕ))\s+((обо|Обо|ОБО)\s+)?((всё|Всё|ВСЁ)|(все|Все|ВСЕ)|(всем|Всем|ВСЕМ))[, ]{1,3}((что|Что|ЧТО)\s+((было|Было|БЫЛО)|(тебе|Тебе|ТЕБЕ)|(вам|Вам|ВАМ)|(ты|Ты|ТЫ)|(я|Я)|(написано|Написано|НАПИСАНО)|(сказано|Сказано|СКАЗАНО))|(сказанное|Сказанное|СКАЗАННОЕ)|(написанное|Написанное|НАПИСАННОЕ)|(вышесказанное|Вышесказанное|ВЫШЕСКАЗАННОЕ))/
        $s4 = /(не|Не|НЕ)\s+((обращай|Обращай|ОБРАЩАЙ)|(обращайте|Обращайте|ОБРАЩАЙТЕ))\s+(внимания|Внимания|ВНИМАНИЯ)\s+(на|На|НА)\s+([^\x1e\s.,]{2,30}\s+){0,2}((инструкции|Инструкции|ИНСТРУКЦИИ)|(указания|Указания|УКАЗАНИЯ)|(правила|Правила|ПРАВИЛА)|(команды|Команды|КОМАНДЫ))/
    condition:
        any of them
}

rule override_instructions_zh
{
    meta:
        title = "Attempt to override earlier instructions (Chinese)"
        description = "Matches Chinese phrases, simplified and traditional, that direct a model to ignore or forget the instructions it was given earlier."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.8"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051, CWE-1427"
        remediation = "Read the passage in context. If the phrase is addressed to a model rather than quoted, remove or quarantine the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0051"
        false_alarms = "Chinese texts about prompt injection."
    strings:
        $s1 = /(忽略|无视|無視|忘记|忘記|忘掉|忽視|忽视|不要理会|不要理會|不要遵守|不要遵循|抛弃|拋棄|覆盖|推翻)(掉|了|你|您|我|的|所有|一切|全部|任何|在|这些|這些){0,4}(之前|以前|先前|前面|以上|上述|上面|此前|早先|过去|過去|原来|原來|原有|原本|初始)(你|我|的|所有|一切|全部|任何|给|給|收到|对|對|系统|系統|说|說|输入|輸入){0,5}(指令|指示|提示|命令|规则|規則|要求|设定|設定|对话|對話|内容|內容|约束|約束|限制)/
        $s2 = /(忽略|无视|無視|忘记|忘記|忘掉)(你|您|所有|一切|全部|任何)(的|所有|一切|全部){0,2}(系统|系統|安全)?(指令|指示|提示词|提示詞|命令|规则|規則|设定|設定|限制)/
        $s3 = /(忘记|忘記|忘掉|忽略)(以上|上面|之前|前面|此前|先前)(的)?(所有|一切|全部)/
    condition:
        any of them
}

rule override_instructions_ja
{
    meta:
        title = "Attempt to override earlier instructions (Japanese)"
        description = "Matches Japanese phrases that direct a model to ignore or forget the instructions it was given earlier."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.8"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051, CWE-1427"
        remediation = "Read the passage in context. If the phrase is addressed to a model rather than quoted, remove or quarantine the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0051"
        false_alarms = "Japanese texts about prompt injection."
    strings:
        $s1 = /(これまで|以前|上記|今まで|いままで|先ほど|先程|以上|前述|それまで|前|元|既存|最初|システム|あなた|全て|すべて|全)(の|に与えられた|まで|与えられた|すべて|全て|あらゆる|全|、){0,4}(指示|命令|プロンプト|ルール|指令|インストラクション|制約|ガイドライン|会話)(を|は|に|など|や[^\x1e\n]{1,24}を){1,2}(すべて|全て|全部|一切|完全に){0,2}(無視|忘れ|破棄|無効|従わない|従うな|リセット|上書き)/
        $s2 = /(これまでの|今までの|以前の|上記の)(こと|内容)?(を|は)(すべて|全て|全部)(無視|忘れ)/
    condition:
        any of them
}

rule system_prompt_extraction_other_languages
{
    meta:
        title = "Request for the system prompt (other languages)"
        description = "Matches requests to show a model's hidden instructions in German, French, Spanish, Italian, Portuguese, Russian, Chinese and Japanese."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.7"
        taxonomy = "OWASP-LLM07:2025, OWASP-LLM01:2025, ATLAS:AML.T0056"
        remediation = "Read the passage in context. If the phrase is addressed to a model rather than quoted, remove or quarantine the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0051"
        false_alarms = "Evaluation sets and articles about prompt leaks."
    strings:
        $s1 = /\b(zeig(e|en)?|verrat(e|en)?|nenn(e|en)?|wiederhol(e|en)?|gib|offenbare|drucke)\s+(mir\s+|uns\s+|sie\s+)?(bitte\s+)?(den|die|das|deine[nrs]?|ihre[nrs]?|genau)\s+([a-z\x80-\xff]+\s+){0,2}(system-?prompt|systemanweisung|systemnachricht|anfangsprompt|(urspr(ü|Ü)nglichen|anf(ä|Ä)nglichen|geheimen|internen|versteckten)\s+(anweisungen|instruktionen|prompt))/i
        $s2 = /\b(montre|affiche|r(é|É)v(è|È)le|revele|r(é|É)p(è|È)te|repete|donne|d(é|É)voile|imprime)[rz]?(-moi|-nous)?\s+(moi\s+)?(ton|ta|tes|votre|vos|le|les|la)\s+([a-z\x80-\xff]+\s+){0,2}(prompt\s+(syst(è|È)me|systeme|initial|system)|message\s+syst(è|È)me|invite\s+syst(è|È)me|(instructions|consignes)\s+(initiales|syst(è|È)me|cach(é|É)es|secr(è|È)tes|internes|de\s+d(é|É)part))/i
        $s3 = /\b(muestra|mu(é|É)strame|muestrame|revela|repite|dime|imprime|dame|ense(ñ|Ñ)a)(me)?\s+(tu|tus|el|las|los|cu(á|Á)les\s+son\s+tus|cu(á|Á)l\s+es\s+tu|su|sus)\s+([a-z\x80-\xff]+\s+){0,2}(prompt\s+(del\s+sistema|de\s+sistema|inicial|system)|mensaje\s+(del|de)\s+sistema|instrucciones\s+(iniciales|ocultas|secretas|internas|del\s+sistema|originales)|system\s+prompt)/i
        $s4 = /\b(mostra|mostrami|rivela|rivelami|ripeti|dimmi|stampa|revele|mostre|repita|diga|imprima|exiba)(-me)?\s+(me\s+)?(il|la|le|i|tuo|tue|o|as|os|seu|suas|teu|quali\s+sono\s+le|quais\s+s(ã|Ã)o)\s+([a-z\x80-\xff]+\s+){0,2}(prompt\s+(di\s+sistema|iniziale|do\s+sistema|de\s+sistema|inicial|system)|messaggio\s+di\s+sistema|mensagem\s+(do|de)\s+sistema|(istruzioni|instru(ç|Ç)(õ|Õ)es|instrucoes)\s+(iniziali|nascoste|segrete|interne|iniciais|ocultas|secretas|internas|do\s+sistema|di\s+sistema)|system\s+prompt)/i
        $s5 = /((покажи|Покажи|ПОКАЖИ)|(покажите|Покажите|ПОКАЖИТЕ)|(раскрой|Раскрой|РАСКРОЙ)|(раскройте|Раскройте|РАСКРОЙТЕ)|(повтори|Повтори|ПОВТОРИ)|(повторите|Повторите|ПОВТОРИТЕ)|(выведи|Выведи|ВЫВЕДИ)|(выведите|Выведите|ВЫВЕДИТЕ)|(расскажи|Расскажи|РАССКАЖИ)|(назови|Назови|НАЗОВИ)|(напиши|Напиши|НАПИШИ))\s+([^\x1e\s.,]{1,30}\s+){0,3}((системный|Системный|СИСТЕМНЫЙ)|(системные|Системные|СИСТЕМНЫЕ)|(системную|Системную|СИСТЕМНУЮ)|(скрытые|Скрытые|СКРЫТЫЕ)|(секретные|Секретные|СЕКРЕТНЫЕ)|(исходный|Исходный|ИСХОДНЫЙ)|(начальный|Начальный|НАЧАЛЬНЫЙ)|(начальные|Начальные|НАЧАЛЬНЫЕ)|(внутренние|Внутренние|ВНУТРЕННИЕ))\s+((промпт|Промпт|ПРОМПТ)|(инструкци|Инструкци|ИНСТРУКЦИ)|(запрос|Запрос|ЗАПРОС)|(подсказк|Подсказк|ПОДСКАЗК)|(сообщени|Сообщени|СООБЩЕНИ)|(указани|Указани|УКАЗАНИ)|(правил|Правил|ПРАВИЛ))/
        $s6 = /(显示|顯示|告诉我|告訴我|输出|輸出|透露|泄露|洩露|重复|重複|打印|列出|展示|公开|公開)(一下|出|你|您|的|完整|全部|所有|原始|初始|隐藏|隱藏|内部|內部){0,6}(系统提示|系統提示|系统指令|系統指令|系统消息|初始指令|初始提示|隐藏指令|隱藏指令|内部指令|提示词|提示詞)/
        $s7 = /(システムプロンプト|システムメッセージ|初期プロンプト|初期指示|隠された指示|内部の指示|内部指示)(の|を|全文|内容|すべて|全て|そのまま){0,4}(表示|出力|教えて|見せて|開示|公開|繰り返|明かし)/
    condition:
        any of them
}

rule role_takeover_other_languages
{
    meta:
        title = "Jailbreak role (other languages)"
        description = "Matches phrases in German, French, Spanish, Italian, Portuguese, Russian, Chinese and Japanese that put a model in an unrestricted role."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.65"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0054"
        remediation = "Read the passage in context. If the phrase is addressed to a model rather than quoted, remove or quarantine the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0051"
        false_alarms = "Role-play texts and articles about jailbreaks."
    strings:
        $s1 = /\bdu\s+bist\s+(jetzt\s+|nun\s+|ab\s+sofort\s+)(DAN\b|eine?\s+(uneingeschr(ä|Ä)nkte|unzensierte|b(ö|Ö)se|freie|unbegrenzte)[rsn]?\s+(ki|chatbot|assistent|modell)|nicht\s+(mehr\s+)?an\s+(regeln|richtlinien))/i
        $s2 = /\b(tu\s+es|vous\s+(ê|Ê)tes)\s+(d(é|É)sormais|maintenant|(à|À)\s+pr(é|É)sent)\s+(DAN\b|une?\s+(ia|assistant|chatbot)\s+(sans\s+(restriction|limite|filtre|censure)|non\s+censur(é|É)e?|libre))/i
        $s3 = /\b(ahora\s+eres|eres\s+ahora|a\s+partir\s+de\s+ahora\s+eres)\s+(DAN\b|una?\s+(ia|asistente|chatbot)\s+(sin\s+(restricci|l(í|Í)mite|limite|filtro|censura)|libre))/i
        $s4 = /\b(ora\s+sei|adesso\s+sei|da\s+ora\s+in\s+poi\s+sei|agora\s+voc(ê|Ê)\s+(é|É)|voc(ê|Ê)\s+agora\s+(é|É)|a\s+partir\s+de\s+agora\s+voc(ê|Ê)\s+(é|É))\s+(DAN\b|un[oa\'`]?\s*(ia|assistente|chatbot)\s+(senza|libera|sem)|uma?\s+(ia|assistente|chatbot)\s+(sem|livre))/i
        $s5 = /((теперь|Теперь|ТЕПЕРЬ)\s+(ты|Ты|ТЫ)|(ты|Ты|ТЫ)\s+(теперь|Теперь|ТЕПЕРЬ)|(отныне|Отныне|ОТНЫНЕ)\s+(ты|Ты|ТЫ))\s+[^\x1e\n]{0,40}((без|Без|БЕЗ)\s+((ограничений|Ограничений|ОГРАНИЧЕНИЙ)|(цензуры|Цензуры|ЦЕНЗУРЫ)|(правил|Правил|ПРАВИЛ)|(фильтров|Фильтров|ФИЛЬТРОВ))|(не|Не|НЕ)\s+(ограничен|Ограничен|ОГРАНИЧЕН))/
        $s6 = /(你现在是|你現在是|从现在开始你是|從現在開始你是|现在你是|现在起你是|请扮演|請扮演)[^\x1e\n]{0,30}(没有任何限制|沒有任何限制|不受限制|无限制|無限制|不受任何|没有道德|開發者模式|开发者模式|越狱模式|DAN)/
        $s7 = /(あなたは今から|これからあなたは|今からあなたは)[^\x1e\n]{0,40}(制限のない|無制限|制約のない|検閲のない|DAN|開発者モード)/
    condition:
        any of them
}

rule conceal_from_user_other_languages
{
    meta:
        title = "Instruction to hide something from the user (other languages)"
        description = "Matches instructions not to inform the user, in German, French, Spanish, Italian, Portuguese, Russian, Chinese and Japanese."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.65"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0051, CWE-1427"
        remediation = "Read the passage in context. If the phrase is addressed to a model rather than quoted, remove or quarantine the document."
        references = "https://genai.owasp.org/llmrisk/llm01-prompt-injection/, https://atlas.mitre.org/techniques/AML.T0051"
        false_alarms = "Style guides for software text."
    strings:
        $s1 = /\b(sag(e|en)?|erz(ä|Ä)hl(e|en)?|verrat(e|en)?|teile|erw(ä|Ä)hn(e|en)?|informier(e|en)?|zeig(e|en)?)\s+(sie\s+)?(dem|den|der|das|dies|es|davon|nichts|diese)\s+([a-z\x80-\xff]+\s+){0,3}(nutzer|benutzer|anwender|user)n?\s+(nichts|nicht|davon|kein)/i
        $s2 = /\bne\s+(dis|dites|mentionne|mentionnez|r(é|É)v(è|È)le|r(é|É)v(é|É)lez|informe|informez|parle|parlez)\s+(rien|pas|jamais)\s+([a-z\'`\x80-\xff]+\s+){0,3}(l[\'`])?utilisateur\b/i
        $s3 = /\bno\s+(le\s+)?(digas|diga|menciones|mencione|reveles|revele|informes|informe|avises|cuentes)\s+([a-z\x80-\xff]+\s+){0,4}(usuario|usuaria)\b/i
        $s4 = /\b(non\s+(dire|dirlo|menzionare|rivelare|informare|avvisare|mostrare)|n(ã|Ã)o\s+(diga|mencione|revele|informe|avise|conte))\s+([a-z\x80-\xff]+\s+){0,4}(all[\'`]utente|l[\'`]utente|utente|usu(á|Á)rio|usuario)\b/i
        $s5 = /(не|Не|НЕ)\s+((говори|Говори|ГОВОРИ)|(говорите|Говорите|ГОВОРИТЕ)|(сообщай|Сообщай|СООБЩАЙ)|(сообщайте|Сообщайте|СООБЩАЙТЕ)|(рассказывай|Рассказывай|РАССКАЗЫВАЙ)|(упоминай|Упоминай|УПОМИНАЙ)|(показывай|Показывай|ПОКАЗЫВАЙ)|(раскрывай|Раскрывай|РАСКРЫВАЙ))\s+([^\x1e\s.,]{1,24}\s+){0,3}((пользователю|Пользователю|ПОЛЬЗОВАТЕЛЮ)|(пользователям|Пользователям|ПОЛЬЗОВАТЕЛЯМ))/
        $s6 = /(不要|不得|切勿|别|別|禁止)(把|将|將|这|這|此|些|个|個|事|件|条|條|指令|内容|內容){0,6}(告诉|告訴|告知|透露给|透露給|通知|提醒|让|讓)(用户|用戶|使用者)/
        $s7 = /(ユーザー|ユーザ|利用者|使用者)(に|には|へ)(は|この|これ|その|こと|を|絶対|決して|、|指示|内容|について){0,6}(伝えない|知らせない|言わない|教えない|話さない|明かさない|通知しない|伝えず)/
    condition:
        any of them
}
