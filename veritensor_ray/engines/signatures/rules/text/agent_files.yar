// Agent files: commands, permissions and instructions in files that coding agents and tool servers obey.

rule agent_pipe_to_shell
{
    meta:
        title = "Agent file pipes a download into a shell"
        description = "Matches a command in an agent file that pipes a download into an interpreter. An agent may run it without asking."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.75"
        taxonomy = "OWASP-LLM06:2025, CWE-494"
        remediation = "AI agents follow this file, so review it as if it were code. Remove the passage, or do not open the folder with an agent."
        references = "https://genai.owasp.org/llmrisk/llm062025-excessive-agency/"
        false_alarms = "Documented installers."
        files = "^(((skills?|agents?|claude(\\.local)?|gemini|copilot-instructions|cursor|windsurf|system_?prompt|prompts?|.*\\.(instructions|prompt|agent|chatmode))\\.(md|mdc|txt))|(.*\\.mdc)|(\\.(cursorrules|windsurfrules|clinerules|roorules|goosehints|mcp\\.json|aider\\.conf\\.yml))|((.*[_.-])?(mcp([_-](config|settings|servers))?|claude_desktop_config|settings(\\.local)?|tools?|manifest|ai-plugin|server|servers|plugin|agents?|hooks)\\.(json|jsonc|ya?ml|toml))|config\\.toml)$"
    strings:
        $s1 = /\b(curl|wget)\s+[^\x1e\n|]{1,120}\|\s{0,3}(sudo\s+(-\w+\s+)?)?((\/bin\/|\/usr\/bin\/env\s+)?(ba|z|da|k)?sh|python3?|perl|ruby|node)\b/i
        $s2 = /\b(ba|z)?sh\s+(-c\s+)?["\']?(<\(|\$\()(curl|wget)\s+/i
        $s3 = /\b(iwr|irm|Invoke-WebRequest|Invoke-RestMethod)\s+[^\x1e\n|]{1,160}\|\s?(iex|Invoke-Expression)/i
    condition:
        any of them
}

rule agent_pipe_to_shell_odd_host
{
    meta:
        title = "Agent file runs a script from a suspicious host"
        description = "Matches a command in an agent file that runs a script from a bare IP address, a paste service, a tunnel or a link shortener."
        category = "malware"
        severity = "high"
        confidence = "0.9"
        taxonomy = "OWASP-LLM03:2025, CWE-494, CWE-506"
        remediation = "AI agents follow this file, so review it as if it were code. Remove the passage, or do not open the folder with an agent."
        references = "https://genai.owasp.org/llmrisk/llm062025-excessive-agency/"
        false_alarms = "Lab environments on a private network."
        files = "^(((skills?|agents?|claude(\\.local)?|gemini|copilot-instructions|cursor|windsurf|system_?prompt|prompts?|.*\\.(instructions|prompt|agent|chatmode))\\.(md|mdc|txt))|(.*\\.mdc)|(\\.(cursorrules|windsurfrules|clinerules|roorules|goosehints|mcp\\.json|aider\\.conf\\.yml))|((.*[_.-])?(mcp([_-](config|settings|servers))?|claude_desktop_config|settings(\\.local)?|tools?|manifest|ai-plugin|server|servers|plugin|agents?|hooks)\\.(json|jsonc|ya?ml|toml))|config\\.toml)$"
    strings:
        $s1 = /\b(curl|wget)\s+[^\x1e\n|]{0,80}https?:\/+([0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}|pastebin\.com|paste\.ee|rentry\.co|hastebin\.com|bit\.ly|tinyurl\.com|is\.gd|t\.ly|transfer\.sh|[\w-]+\.ngrok\.io|[\w-]+\.ngrok-free\.app|[\w-]+\.trycloudflare\.com|webhook\.site|[\w-]+\.onion|0x0\.st|termbin\.com|anonfiles\.com|cdn\.discordapp\.com|[\w-]+\.duckdns\.org)[^\x1e\n|]{0,80}\|\s{0,3}(sudo\s+(-\w+\s+)?)?((\/bin\/|\/usr\/bin\/env\s+)?(ba|z|da|k)?sh|python3?|perl|ruby|node)\b/i
    condition:
        any of them
}

rule agent_encoded_command
{
    meta:
        title = "Encoded command in an agent file"
        description = "Matches base64 text that an agent file decodes straight into an interpreter."
        category = "malware"
        severity = "high"
        confidence = "0.9"
        taxonomy = "CWE-506, CWE-94"
        remediation = "AI agents follow this file, so review it as if it were code. Remove the passage, or do not open the folder with an agent."
        references = "https://genai.owasp.org/llmrisk/llm062025-excessive-agency/"
        false_alarms = "None known."
        files = "^(((skills?|agents?|claude(\\.local)?|gemini|copilot-instructions|cursor|windsurf|system_?prompt|prompts?|.*\\.(instructions|prompt|agent|chatmode))\\.(md|mdc|txt))|(.*\\.mdc)|(\\.(cursorrules|windsurfrules|clinerules|roorules|goosehints|mcp\\.json|aider\\.conf\\.yml))|((.*[_.-])?(mcp([_-](config|settings|servers))?|claude_desktop_config|settings(\\.local)?|tools?|manifest|ai-plugin|server|servers|plugin|agents?|hooks)\\.(json|jsonc|ya?ml|toml))|config\\.toml)$"
    strings:
        $s1 = /base64\s+(-d|-D|--decode)\b[^\x1e\n|]{0,30}\|\s{0,3}(sudo\s+(-\w+\s+)?)?((\/bin\/|\/usr\/bin\/env\s+)?(ba|z|da|k)?sh|python3?|perl|ruby|node)\b/i
        $s2 = /\bpython3?\s+-c\s+["\'][^\x1e\n]{0,80}(exec|eval)\([^\x1e\n]{0,40}(b64decode|decompress)/i
        $s3 = /powershell(\.exe)?\s+[^\x1e\n]{0,60}-e(nc|ncodedcommand)?\s+["\']?[A-Za-z0-9+\/=]{24}/i
    condition:
        any of them
}

rule agent_allow_all_permissions
{
    meta:
        source = "true"
        title = "Agent allowed to do anything"
        description = "Matches settings that let an agent run any command or tool without asking."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.8"
        taxonomy = "OWASP-LLM06:2025, CWE-250"
        remediation = "AI agents follow this file, so review it as if it were code. Remove the passage, or do not open the folder with an agent."
        references = "https://genai.owasp.org/llmrisk/llm062025-excessive-agency/"
        false_alarms = "Configurations for an isolated sandbox."
        files = "^(((skills?|agents?|claude(\\.local)?|gemini|copilot-instructions|cursor|windsurf|system_?prompt|prompts?|.*\\.(instructions|prompt|agent|chatmode))\\.(md|mdc|txt))|(.*\\.mdc)|(\\.(cursorrules|windsurfrules|clinerules|roorules|goosehints|mcp\\.json|aider\\.conf\\.yml))|((.*[_.-])?(mcp([_-](config|settings|servers))?|claude_desktop_config|settings(\\.local)?|tools?|manifest|ai-plugin|server|servers|plugin|agents?|hooks)\\.(json|jsonc|ya?ml|toml))|config\\.toml)$"
    strings:
        $s1 = "--dangerously-skip-permissions" nocase
        $s2 = "--dangerously-bypass-approvals-and-sandbox" nocase
        $s3 = "bypassPermissions" nocase
        $s4 = "danger-full-access" nocase
        $s5 = /"allow"\s?:\s?\[[^\]\x1e]{0,120}"(\*|Bash|Bash\(\*\)|Bash\(\*:\*\)|Bash\((curl|wget|sudo|rm|python3?|node|sh|bash):\*\))"/i
        $s6 = /"(autoApprove|alwaysAllow|auto_approve|always_allow)"\s?:\s?(\[\s?"\*"|true)/i
        $s7 = /\ballowed-tools:\s*["\'\[]{0,2}(\*|Bash\(\*\)|Bash\(\*:\*\))/i
        $s8 = /"enableAllProjectMcpServers"\s?:\s?true/i
        $s9 = /"chat\.tools\.(global\.)?autoApprove"\s?:\s?true/i
        $s10 = /\bapproval_policy\s?=\s?"never"/i
    condition:
        any of them
}

rule agent_tool_description_order
{
    meta:
        title = "Tool description that demands secrets"
        description = "Matches text that demands that keys or settings be read before a tool is used, or that their content be passed as a parameter, as poisoned tool descriptions do."
        category = "prompt-injection"
        severity = "high"
        confidence = "0.85"
        taxonomy = "OWASP-LLM01:2025, OWASP-LLM02:2025, ATLAS:AML.T0051.001, ATLAS:AML.T0055"
        remediation = "AI agents follow this file, so review it as if it were code. Remove the passage, or do not open the folder with an agent."
        references = "https://genai.owasp.org/llmrisk/llm062025-excessive-agency/"
        false_alarms = "None known."
        files = "^(((skills?|agents?|claude(\\.local)?|gemini|copilot-instructions|cursor|windsurf|system_?prompt|prompts?|.*\\.(instructions|prompt|agent|chatmode))\\.(md|mdc|txt))|(.*\\.mdc)|(\\.(cursorrules|windsurfrules|clinerules|roorules|goosehints|mcp\\.json|aider\\.conf\\.yml))|((.*[_.-])?(mcp([_-](config|settings|servers))?|claude_desktop_config|settings(\\.local)?|tools?|manifest|ai-plugin|server|servers|plugin|agents?|hooks)\\.(json|jsonc|ya?ml|toml))|config\\.toml)$"
    strings:
        $s1 = /\b(before|when|whenever|after)\s+(you\s+)?(us(e|ing)|call(ing)?|invok(e|ing)|running)\s+(this|any|the|these)\b[^\x1e]{0,80}\b(read|open|cat|access|load|fetch|include|copy)\b[^\x1e]{0,40}((~|\$HOME|\$\{HOME\}|%USERPROFILE%|\/root|\/home\/[\w.-]+)[\/\\]\.(ssh|aws|gnupg|netrc|kube|docker\/config|git-credentials|npmrc|pypirc|config\/gcloud|cursor\/mcp|claude\.json)|\bid_(rsa|ed25519)\b|\.env\b\s+file|\/etc\/(passwd|shadow))/i
        $s2 = /((~|\$HOME|\$\{HOME\}|%USERPROFILE%|\/root|\/home\/[\w.-]+)[\/\\]\.(ssh|aws|gnupg|netrc|kube|docker\/config|git-credentials|npmrc|pypirc|config\/gcloud|cursor\/mcp|claude\.json)|\bid_(rsa|ed25519)\b|\.env\b\s+file|\/etc\/(passwd|shadow))[^\x1e]{0,80}\bpass\s+(its|the|their|that|this|all)\s+(full\s+|entire\s+)?(contents?|values?|data|file|keys?)\s+(as|in|into|to|via|through)\b/i
        $s3 = /\bpass\s+(its|the|their)\s+(contents?|file)[^\x1e\n]{0,20}\s+(as|in|into|via)\s+(the\s+|a\s+)?["\'`]?(sidenote|side_note|notes?|context|metadata|feedback|extra|debug)["\'`]?\b/i
    condition:
        any of them
}

rule agent_reads_credentials
{
    meta:
        title = "Agent file reads credentials"
        description = "Matches a command or instruction in an agent file that reads private keys or stored credentials."
        category = "exfiltration"
        severity = "medium"
        confidence = "0.75"
        taxonomy = "OWASP-LLM02:2025, CWE-522, ATLAS:AML.T0055"
        remediation = "AI agents follow this file, so review it as if it were code. Remove the passage, or do not open the folder with an agent."
        references = "https://genai.owasp.org/llmrisk/llm062025-excessive-agency/"
        false_alarms = "Setup guides and deny lists for agents."
        files = "^(((skills?|agents?|claude(\\.local)?|gemini|copilot-instructions|cursor|windsurf|system_?prompt|prompts?|.*\\.(instructions|prompt|agent|chatmode))\\.(md|mdc|txt))|(.*\\.mdc)|(\\.(cursorrules|windsurfrules|clinerules|roorules|goosehints|mcp\\.json|aider\\.conf\\.yml))|((.*[_.-])?(mcp([_-](config|settings|servers))?|claude_desktop_config|settings(\\.local)?|tools?|manifest|ai-plugin|server|servers|plugin|agents?|hooks)\\.(json|jsonc|ya?ml|toml))|config\\.toml)$"
    strings:
        $s1 = /\b(cat|read|open|print|upload|send|include|base64|tar|scp|type|less|head|grep|collect|copy)\s+[^\x1e\n]{0,50}(~|\$HOME|\$\{HOME\}|%USERPROFILE%|\/root|\/home\/[\w.-]+)[\/\\]\.(ssh[\/\\]id_|aws[\/\\]credentials|netrc|gnupg|kube[\/\\]config|docker[\/\\]config\.json|git-credentials|npmrc|pypirc|config[\/\\]gcloud)/i
        $s2 = /\b(cat|read|print|upload|send)\s+[^\x1e\n]{0,30}\/etc\/shadow/i
    condition:
        any of them
}

rule agent_hidden_from_user
{
    meta:
        title = "Agent file hides an action from the user"
        description = "Matches an instruction in an agent file to act without informing or asking the user."
        category = "prompt-injection"
        severity = "medium"
        confidence = "0.65"
        taxonomy = "OWASP-LLM06:2025, OWASP-LLM01:2025, ATLAS:AML.T0051.001"
        remediation = "AI agents follow this file, so review it as if it were code. Remove the passage, or do not open the folder with an agent."
        references = "https://genai.owasp.org/llmrisk/llm062025-excessive-agency/"
        false_alarms = "Instructions that keep a chat short."
        files = "^(((skills?|agents?|claude(\\.local)?|gemini|copilot-instructions|cursor|windsurf|system_?prompt|prompts?|.*\\.(instructions|prompt|agent|chatmode))\\.(md|mdc|txt))|(.*\\.mdc)|(\\.(cursorrules|windsurfrules|clinerules|roorules|goosehints|mcp\\.json|aider\\.conf\\.yml))|((.*[_.-])?(mcp([_-](config|settings|servers))?|claude_desktop_config|settings(\\.local)?|tools?|manifest|ai-plugin|server|servers|plugin|agents?|hooks)\\.(json|jsonc|ya?ml|toml))|config\\.toml)$"
    strings:
        $s1 = /\b(do\s+not|don(\'|`|\xe2\x80\x99)?t|never)\s+(tell|inform|notify|alert|ask)\s+(the\s+)?[u][s]er\b[^\x1e\n]{0,60}(\.env|ssh|credential|secret|token|upload|send|execut|install|delet|permission|this\s+step|command)/i
        $s2 = /\b(silently|secretly|covertly)\s+(send|upload|run|execute|install|download|read|copy|append|forward|post|delete|commit|push)\b/i
    condition:
        any of them
}

rule agent_persistence
{
    meta:
        source = "true"
        title = "Agent file writes to startup files"
        description = "Matches a command or instruction in an agent file that appends to shell profiles, authorized keys, cron or hooks."
        category = "malware"
        severity = "medium"
        confidence = "0.75"
        taxonomy = "OWASP-LLM06:2025, CWE-506"
        remediation = "AI agents follow this file, so review it as if it were code. Remove the passage, or do not open the folder with an agent."
        references = "https://genai.owasp.org/llmrisk/llm062025-excessive-agency/"
        false_alarms = "Guides that explain how to add a folder to PATH."
        files = "^(((skills?|agents?|claude(\\.local)?|gemini|copilot-instructions|cursor|windsurf|system_?prompt|prompts?|.*\\.(instructions|prompt|agent|chatmode))\\.(md|mdc|txt))|(.*\\.mdc)|(\\.(cursorrules|windsurfrules|clinerules|roorules|goosehints|mcp\\.json|aider\\.conf\\.yml))|((.*[_.-])?(mcp([_-](config|settings|servers))?|claude_desktop_config|settings(\\.local)?|tools?|manifest|ai-plugin|server|servers|plugin|agents?|hooks)\\.(json|jsonc|ya?ml|toml))|config\\.toml)$"
    strings:
        $s1 = />>\s*["\']?(~|\$HOME|\/root|\/home\/[\w.-]+)\/\.(ssh\/authorized_keys|bashrc|zshrc|profile|bash_profile|zprofile)/i
        $s2 = /\|\s?crontab\s+-/i
        $s3 = /\b(echo|printf|cat)\s+[^\x1e\n]{1,120}>>?\s*["\']?(\/etc\/cron|\.git\/hooks\/|~\/\.claude\/|~\/\.cursor\/)/i
    condition:
        any of them
}

rule agent_config_shell_command
{
    meta:
        source = "true"
        title = "Tool server or hook runs a shell pipeline"
        description = "Matches a command in a tool-server or hook configuration that downloads something, decodes it or opens a network shell."
        category = "malware"
        severity = "high"
        confidence = "0.85"
        taxonomy = "OWASP-LLM03:2025, CWE-78, CWE-506"
        remediation = "AI agents follow this file, so review it as if it were code. Remove the passage, or do not open the folder with an agent."
        references = "https://genai.owasp.org/llmrisk/llm062025-excessive-agency/"
        false_alarms = "None known."
        files = "^(((skills?|agents?|claude(\\.local)?|gemini|copilot-instructions|cursor|windsurf|system_?prompt|prompts?|.*\\.(instructions|prompt|agent|chatmode))\\.(md|mdc|txt))|(.*\\.mdc)|(\\.(cursorrules|windsurfrules|clinerules|roorules|goosehints|mcp\\.json|aider\\.conf\\.yml))|((.*[_.-])?(mcp([_-](config|settings|servers))?|claude_desktop_config|settings(\\.local)?|tools?|manifest|ai-plugin|server|servers|plugin|agents?|hooks)\\.(json|jsonc|ya?ml|toml))|config\\.toml)$"
    strings:
        $s1 = /"(command|run)"\s?:\s?"[^"\x1e\n]{0,160}(\/dev\/tcp\/|base64\s+(-d|--decode)|(curl|wget)\s+[^"\x1e\n|]{1,120}\|\s?(ba|z)?sh\b|powershell[^"\x1e\n]{0,60}\s+-e(nc|ncodedcommand)?\s+)/i
        $s2 = /"args"\s?:\s?\[[^\]\x1e]{0,160}((curl|wget)\s+[^\]\x1e|]{1,120}\|\s?(ba|z)?sh\b|\/dev\/tcp\/|base64\s+(-d|--decode))/i
    condition:
        any of them
}
