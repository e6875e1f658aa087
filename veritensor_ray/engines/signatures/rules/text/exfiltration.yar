// Exfiltration: links, commands and instructions that send a conversation, secrets or files to a third party.

rule markdown_image_placeholder
{
    meta:
        title = "Markdown image that exfiltrates data"
        description = "Matches a markdown image whose address contains a placeholder for the conversation or a secret. A client that renders it sends the data to that host."
        category = "exfiltration"
        severity = "high"
        confidence = "0.9"
        taxonomy = "OWASP-LLM02:2025, OWASP-LLM05:2025, ATLAS:AML.T0057, CWE-200"
        remediation = "Remove the link or command, and check whether any system that read this document has sent data to the address."
        references = "https://genai.owasp.org/llmrisk/llm022025-sensitive-information-disclosure/"
        false_alarms = "Articles about markdown exfiltration."
    strings:
        $s1 = /!\[[^\]\x1e\n]{0,80}\]\(https?:\/[^)\s\x1e]{4,160}(\{\{?|\$\{|<|\[|%7B)\s*([\w-]+[ _-]){0,3}(conversation|chat_?-?\s*(history|log|context)|chathistory|secrets?\b|passwords?\b|passwd|credentials?\b|api_?-?\s*keys?\b|access_?token|session_?(id|token)|cookies?\b|system_?-?\s*prompt|user_?-?\s*(data|input|message|secret|info)|private_?key|memory|memories|previous_?\s*messages?|summary\s+of|exfil|stolen|leak(ed)?\b|sensitive)/i
        $s2 = /!\[[^\]\x1e\n]{0,80}\]\(https?:\/[^)\s\x1e]{4,160}[?&](conversation|chat_?history|secrets?|password|credentials|exfil|stolen|leak(ed)?|system_?prompt|api_?key)=/i
    condition:
        any of them
}

rule markdown_link_placeholder
{
    meta:
        title = "Markdown link that exfiltrates data"
        description = "Matches a markdown link whose address contains a placeholder for the conversation or a secret."
        category = "exfiltration"
        severity = "medium"
        confidence = "0.7"
        taxonomy = "OWASP-LLM02:2025, ATLAS:AML.T0057, CWE-200"
        remediation = "Remove the link or command, and check whether any system that read this document has sent data to the address."
        references = "https://genai.owasp.org/llmrisk/llm022025-sensitive-information-disclosure/"
        false_alarms = "API documentation with sample links."
    strings:
        $s1 = /[^!\x1e]\[[^\]\x1e\n]{0,80}\]\(https?:\/[^)\s\x1e]{4,160}[?&=\/](\{\{?|\$\{|<|\[|%7B)\s*([\w-]+[ _-]){0,3}(conversation|chat_?-?\s*(history|log|context)|chathistory|secrets?\b|passwords?\b|passwd|credentials?\b|api_?-?\s*keys?\b|access_?token|session_?(id|token)|cookies?\b|system_?-?\s*prompt|user_?-?\s*(data|input|message|secret|info)|private_?key|memory|memories|previous_?\s*messages?|summary\s+of|exfil|stolen|leak(ed)?\b|sensitive)/i
    condition:
        any of them
}

rule html_image_placeholder
{
    meta:
        title = "HTML image that exfiltrates data"
        description = "Matches an img tag whose source contains a placeholder for the conversation or a secret."
        category = "exfiltration"
        severity = "medium"
        confidence = "0.75"
        taxonomy = "OWASP-LLM02:2025, OWASP-LLM05:2025, ATLAS:AML.T0057, CWE-200"
        remediation = "Remove the link or command, and check whether any system that read this document has sent data to the address."
        references = "https://genai.owasp.org/llmrisk/llm022025-sensitive-information-disclosure/"
        false_alarms = "Web templates for account pages."
    strings:
        $s1 = /<img[^>\x1e]{1,80}src\s*=\s*["\']?https?:\/[^"\'>\s\x1e]{4,160}[?&=\/](\{\{?|\$\{|<|\[|%7B)\s*([\w-]+[ _-]){0,3}(conversation|chat_?-?\s*(history|log|context)|chathistory|secrets?\b|passwords?\b|passwd|credentials?\b|api_?-?\s*keys?\b|access_?token|session_?(id|token)|cookies?\b|system_?-?\s*prompt|user_?-?\s*(data|input|message|secret|info)|private_?key|memory|memories|previous_?\s*messages?|summary\s+of|exfil|stolen|leak(ed)?\b|sensitive)/i
    condition:
        any of them
}

rule resource_address_placeholder
{
    meta:
        title = "Markup address that exfiltrates data"
        description = "Matches an image or link in a document's markup whose address contains a placeholder for the conversation or a secret."
        category = "exfiltration"
        severity = "medium"
        confidence = "0.75"
        taxonomy = "OWASP-LLM02:2025, OWASP-LLM05:2025, ATLAS:AML.T0057, CWE-200"
        remediation = "Remove the link or command, and check whether any system that read this document has sent data to the address."
        references = "https://genai.owasp.org/llmrisk/llm022025-sensitive-information-disclosure/"
        false_alarms = "Web templates for account pages."
        views = "metadata"
    strings:
        $s1 = /\bhttps?:\/[^"\'>\s\x1e]{4,160}[?&=\/](\{\{?|\$\{|<|\[|%7B)\s*([\w-]+[ _-]){0,3}(conversation|chat_?-?\s*(history|log|context)|chathistory|secrets?\b|passwords?\b|passwd|credentials?\b|api_?-?\s*keys?\b|access_?token|session_?(id|token)|cookies?\b|system_?-?\s*prompt|user_?-?\s*(data|input|message|secret|info)|private_?key|memory|memories|previous_?\s*messages?|summary\s+of|exfil|stolen|leak(ed)?\b|sensitive)/i
    condition:
        any of them
}

rule send_data_to_url
{
    meta:
        title = "Instruction to send secrets or a conversation to an address"
        description = "Matches an instruction to send a conversation, prompt or secret to a web or email address."
        category = "exfiltration"
        severity = "medium"
        confidence = "0.65"
        taxonomy = "OWASP-LLM01:2025, OWASP-LLM02:2025, ATLAS:AML.T0057"
        remediation = "Remove the link or command, and check whether any system that read this document has sent data to the address."
        references = "https://genai.owasp.org/llmrisk/llm022025-sensitive-information-disclosure/"
        false_alarms = "Documentation on client authentication."
    strings:
        $s1 = /\b(send|upload|forward|transmit|exfiltrate|leak|submit|email|post)\s+((all|the|your|this|any|every|entire|full|whole|complete|their|user(\'|`|\xe2\x80\x99)?s|his|of)\s+)*(conversation|chat\s+(history|log)|system\s+prompt|api\s+keys?|passwords?|credentials|secrets|access\s+tokens?|private\s+keys?|ssh\s+keys?|environment\s+variables|session\s+cookies?|contents?\s+of\s+(the\s+)?(~\/|\.env|conversation|mailbox|inbox))\b[^\x1e\n]{0,60}\b(to|at|via)\s+[^\x1e\n]{0,30}(https?:\/|[\w.+-]+@[\w-]+\.\w)/i
        $s2 = /\b(collect|gather|grab|find)\s+((all|the|every|any|of)\s+)*[^\x1e\n]{0,30}\b(passwords?|api\s+keys?|credentials|secrets|access\s+tokens)\b[^\x1e\n]{0,30}\b(and\s+)?(send|forward|upload|post|email)\s+(them|it|those|these|everything)\s+to\s+/i
        $s3 = /\bexfiltrat(e|ing)\s+(the\s+|all\s+|any\s+|this\s+|your\s+|sensitive\s+)+[^\x1e\n]{0,80}(https?:\/|to\s+)/i
    condition:
        any of them
}

rule encode_secrets_in_url
{
    meta:
        title = "Instruction to encode a conversation in an address"
        description = "Matches an instruction to encode a conversation, prompt or secret and put it into a link, image or query."
        category = "exfiltration"
        severity = "medium"
        confidence = "0.75"
        taxonomy = "OWASP-LLM02:2025, ATLAS:AML.T0057, CWE-200"
        remediation = "Remove the link or command, and check whether any system that read this document has sent data to the address."
        references = "https://genai.owasp.org/llmrisk/llm022025-sensitive-information-disclosure/"
        false_alarms = "Guides to URL-encoding credentials."
    strings:
        $s1 = /\b(base64|url|hex|percent)[ -]?encod(e|ed|ing)\s+[^\x1e]{0,40}\b(conversation|chat\s+(history|log)|system\s+prompt|api\s+keys?|passwords?|secrets)\b[^\x1e]{0,30}\b(and|then)\s+(add|append|put|include|send|insert|embed|attach)\s+[^\x1e]{0,60}\b(url|query|image|link|parameter|subdomain)/i
        $s2 = /\b(append|insert|embed|encode|include)\s+((all|the|your|this|any|entire|user(\'|`|\xe2\x80\x99)?s)\s+)*(conversation|chat\s+(history|log)|system\s+prompt|api\s+keys?|passwords?|credentials|secrets)\b[^\x1e]{0,40}\b(to|in|into|as|at)\s+(the\s+|a\s+|an\s+)*(end\s+of\s+)?(the\s+)?(url|query|image\s+(url|link)|markdown|link|subdomain)/i
    condition:
        any of them
}

rule collector_host
{
    meta:
        title = "Address of a request collector"
        description = "Matches addresses of services that record incoming requests (OAST hosts, webhook collectors), which are often used to receive stolen data."
        category = "exfiltration"
        severity = "low"
        confidence = "0.6"
        taxonomy = "OWASP-LLM02:2025, ATLAS:AML.T0057, CWE-200"
        remediation = "Remove the link or command, and check whether any system that read this document has sent data to the address."
        references = "https://genai.owasp.org/llmrisk/llm022025-sensitive-information-disclosure/"
        false_alarms = "Test suites, and notifications that were set up deliberately."
    strings:
        $s1 = /webhook\.site\/[0-9a-f]{8}-/i
        $s2 = /\b[a-z0-9]{8,40}\.(oast\.(pro|live|site|online|fun|me)|oastify\.com|[i][n][t][e]ract\.sh|[i][n][t][e]ractsh\.com|burpcollaborator\.net|dnslog\.cn|ceye\.io)\b/i
        $s3 = /\b[a-z0-9]{8,30}\.m\.pipedream\.net/i
        $s4 = /[d][i][s][c]ord(app)?\.com\/api\/webhooks\/[0-9]{15,20}\//i
        $s5 = /api\.telegram\.org\/bot[0-9]{8,10}:[\w-]{30}/i
        $s6 = /hooks\.slack\.com\/services\/T[A-Z0-9]{6,12}\/B[A-Z0-9]{6,12}\/[A-Za-z0-9]{20}/i
    condition:
        any of them
}

rule collector_host_with_verb
{
    meta:
        title = "Command or instruction that sends data to a request collector"
        description = "Matches a command or instruction that sends something to a request collector, tunnel or paste service."
        category = "exfiltration"
        severity = "medium"
        confidence = "0.75"
        taxonomy = "OWASP-LLM02:2025, ATLAS:AML.T0057, CWE-200"
        remediation = "Remove the link or command, and check whether any system that read this document has sent data to the address."
        references = "https://genai.owasp.org/llmrisk/llm022025-sensitive-information-disclosure/"
        false_alarms = "Documentation for tunnels and bots."
    strings:
        $s1 = /\b(curl|wget|nslookup|Invoke-WebRequest|Invoke-RestMethod|requests\.(post|get|put)|fetch\(|urlopen\(|sendBeacon\(|exfiltrat\w+|httpx\.(post|get)|axios\.(post|get))[^\x1e\n]{1,140}\b(webhook\.site\/|[a-z0-9-]+\.(oast\.(pro|live|site|online|fun|me)|oastify\.com|[i][n][t][e]ract\.sh|[i][n][t][e]ractsh\.com|burpcollaborator\.net|dnslog\.cn|ceye\.io|[r][e][q][u][e]stbin\.(com|net)|m\.pipedream\.net|ngrok\.io|ngrok-free\.(app|dev)|ngrok\.app|trycloudflare\.com|loca\.lt|[s][e][r]veo\.net|[r][e][q][u][e]stcatcher\.com|beeceptor\.com|canarytokens\.(com|org)|x\.pipedream\.net)|hookb\.in\/|pastebin\.com\/raw|[t][r][a][n]sfer\.sh\/|termbin\.com|[d][i][s][c]ord(app)?\.com\/api\/webhooks\/|api\.telegram\.org\/bot)/i
        $s2 = /\b(send|forward|upload|post|transmit|submit)\s+[^\x1e\n]{0,60}\b(to|at|via)\s+[^\x1e\n]{0,20}https?:\/[^\s\x1e]{0,40}(webhook\.site\/|[a-z0-9-]+\.(oast\.(pro|live|site|online|fun|me)|oastify\.com|[i][n][t][e]ract\.sh|[i][n][t][e]ractsh\.com|burpcollaborator\.net|dnslog\.cn|ceye\.io|[r][e][q][u][e]stbin\.(com|net)|m\.pipedream\.net|ngrok\.io|ngrok-free\.(app|dev)|ngrok\.app|trycloudflare\.com|loca\.lt|[s][e][r]veo\.net|[r][e][q][u][e]stcatcher\.com|beeceptor\.com|canarytokens\.(com|org)|x\.pipedream\.net)|hookb\.in\/|pastebin\.com\/raw|[t][r][a][n]sfer\.sh\/|termbin\.com|[d][i][s][c]ord(app)?\.com\/api\/webhooks\/|api\.telegram\.org\/bot)/i
    condition:
        any of them
}

rule curl_posts_secrets
{
    meta:
        title = "Command that uploads secrets"
        description = "Matches a curl or wget command that uploads a key, credential or environment file."
        category = "exfiltration"
        severity = "high"
        confidence = "0.85"
        taxonomy = "OWASP-LLM02:2025, ATLAS:AML.T0055, CWE-200"
        remediation = "Remove the link or command, and check whether any system that read this document has sent data to the address."
        references = "https://genai.owasp.org/llmrisk/llm022025-sensitive-information-disclosure/"
        false_alarms = "Penetration testing notes."
    strings:
        $s1 = /\bcurl\b[^\x1e\n]{0,80}\s+(-d|-F|-T|--data(-binary|-raw|-urlencode)?|--form|--upload-file)[ =]?[^\x1e\n|]{0,60}(\.ssh\/|\.aws\/credentials|\/etc\/(passwd|shadow)|id_(rsa|ed25519|ecdsa)\b|\.netrc\b|\.npmrc\b|\.pypirc\b|\.kube\/config|\.git-credentials|\.docker\/config\.json|\$\(env\)|`env`|\bprintenv\b|\.env\b["\'\s])/i
        $s2 = /\bwget\b[^\x1e\n]{0,100}--post-(file|data)[ =][^\x1e\n|]{0,60}(\.ssh\/|\.aws\/credentials|\/etc\/(passwd|shadow)|id_(rsa|ed25519|ecdsa)\b|\.netrc\b|\.npmrc\b|\.pypirc\b|\.kube\/config|\.git-credentials|\.docker\/config\.json|\$\(env\)|`env`|\bprintenv\b|\.env\b["\'\s])/i
        $s3 = /\b(cat|env|printenv|tar|base64)\b[^\x1e\n]{0,60}(\.ssh\/id_|\.aws\/credentials|\/etc\/shadow|id_rsa|\.kube\/config|\.git-credentials|^env|printenv)[^\x1e\n]{0,60}\|\s?(curl|nc|ncat|wget)\b/i
    condition:
        any of them
}

rule code_posts_secrets
{
    meta:
        title = "Code that uploads secrets"
        description = "Matches Python or JavaScript code that posts the whole environment or a key file."
        category = "malware"
        severity = "high"
        confidence = "0.85"
        taxonomy = "OWASP-LLM03:2025, CWE-506, CWE-200"
        remediation = "Remove the link or command, and check whether any system that read this document has sent data to the address."
        references = "https://genai.owasp.org/llmrisk/llm022025-sensitive-information-disclosure/"
        false_alarms = "Debugging code."
    strings:
        $s1 = /requests\.(post|put|get)\([^\x1e]{1,140}(dict\(os\.environ\)|=\s?os\.environ\s?[,)}]|json\.dumps\(dict\(os\.environ|\/\.ssh\/|\/\.aws\/credentials|\/etc\/(passwd|shadow))/i
        $s2 = /(urlopen|urllib\.request\.Request)\([^\x1e]{1,140}(dict\(os\.environ\)|\/\.ssh\/id_|\/\.aws\/credentials|\/etc\/shadow)/i
        $s3 = /(fetch|axios\.post|https?\.request)\([^\x1e]{1,140}JSON\.stringify\(process\.env\)/i
    condition:
        any of them
}

rule dns_exfiltration
{
    meta:
        title = "Data exfiltrated in a host name"
        description = "Matches a lookup of a host name built from command output, a way to smuggle data past a firewall."
        category = "exfiltration"
        severity = "high"
        confidence = "0.8"
        taxonomy = "CWE-200, CWE-78"
        remediation = "Remove the link or command, and check whether any system that read this document has sent data to the address."
        references = "https://genai.owasp.org/llmrisk/llm022025-sensitive-information-disclosure/"
        false_alarms = "Penetration testing notes."
    strings:
        $s1 = /\b(nslookup|dig|host|ping)\s+[^\x1e\n]{0,40}(\$\(|`)(whoami|hostname|id|cat|env|base64|uname|head|xxd)\b[^\x1e\n]{0,60}(\)|`)[^\s\x1e]{0,20}\.\w/i
        $s2 = /\b(curl|wget)\s+[^\x1e\n]{0,60}https?:\/+[^\s\x1e\/]{0,20}(\$\(|`)(whoami|hostname|id|cat|env|uname)\b[^\x1e\n]{0,60}(\)|`)\.\w/i
    condition:
        any of them
}
