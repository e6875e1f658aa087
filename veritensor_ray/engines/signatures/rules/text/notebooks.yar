// Notebooks: magics and cells that fetch and run code, open shells or read keys.

rule notebook_pipe_to_shell
{
    meta:
        title = "Notebook pipes a download into a shell"
        description = "Matches a shell magic that pipes a downloaded script into an interpreter, so whoever controls the address can run code on the machine."
        category = "malware"
        severity = "medium"
        confidence = "0.8"
        taxonomy = "OWASP-LLM03:2025, ATLAS:AML.T0010, CWE-494, CWE-829"
        remediation = "Do not run the notebook until someone has reviewed the command and the code it fetches."
        references = "https://cwe.mitre.org/data/definitions/494.html"
        false_alarms = "Installers for well-known tools."
        files = "^.*\\.(ipynb|py|rmd|qmd|md)$"
    strings:
        $s1 = /(!|%sx\s+|%system\s+|%%bash[^\x1e\n]{0,20}\n|%%sh\s{0,8}\n)\s*(curl|wget)\s+[^\x1e\n|]{1,120}\|\s{0,3}(sudo\s+(-\w+\s+)?)?((\/bin\/|\/usr\/bin\/env\s+)?(ba|z|da|k)?sh|python3?|perl|ruby|node)\b/i
        $s2 = /!\s*(sudo\s+)?(ba|z)?sh\s+(-c\s+)?["\']?(<\(|\$\()(curl|wget)\s+/i
    condition:
        any of them
}

rule notebook_pipe_to_shell_odd_host
{
    meta:
        title = "Notebook runs a script from a suspicious host"
        description = "Matches a shell magic that runs a script from a bare IP address, a paste service, a tunnel or a link shortener."
        category = "malware"
        severity = "high"
        confidence = "0.9"
        taxonomy = "OWASP-LLM03:2025, ATLAS:AML.T0010, CWE-494, CWE-829"
        remediation = "Do not run the notebook until someone has reviewed the command and the code it fetches."
        references = "https://cwe.mitre.org/data/definitions/494.html"
        false_alarms = "Lab environments on a private network."
        files = "^.*\\.(ipynb|py|rmd|qmd|md)$"
    strings:
        $s1 = /(!|%sx\s+|%system\s+)\s*(curl|wget)\s+[^\x1e\n|]{0,80}https?:\/+([0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}|pastebin\.com|paste\.ee|rentry\.co|hastebin\.com|bit\.ly|tinyurl\.com|is\.gd|t\.ly|transfer\.sh|[\w-]+\.ngrok\.io|[\w-]+\.ngrok-free\.app|[\w-]+\.trycloudflare\.com|webhook\.site|[\w-]+\.onion|0x0\.st|termbin\.com|anonfiles\.com|cdn\.discordapp\.com|[\w-]+\.duckdns\.org)[^\x1e\n|]{0,80}\|\s{0,3}(sudo\s+(-\w+\s+)?)?((\/bin\/|\/usr\/bin\/env\s+)?(ba|z|da|k)?sh|python3?|perl|ruby|node)\b/i
    condition:
        any of them
}

rule notebook_reverse_shell
{
    meta:
        title = "Reverse shell in a notebook"
        description = "Matches a cell or magic that opens a shell to another host."
        category = "malware"
        severity = "high"
        confidence = "0.9"
        taxonomy = "CWE-506, CWE-78, ATLAS:AML.T0050"
        remediation = "Do not run the notebook until someone has reviewed the command and the code it fetches."
        references = "https://cwe.mitre.org/data/definitions/494.html"
        false_alarms = "Penetration testing material."
        files = "^.*\\.(ipynb|py|rmd|qmd|md)$"
    strings:
        $s1 = /(%%bash|%%sh|%%script|!)[^\x1e]{0,160}(\/dev\/tcp\/[^\s\x1e]{3,50}\/[0-9$]|\bnc(at)?\s+[^\n\x1e]{0,40}-e\s*\/?(bin\/)?(ba)?sh|mkfifo\s+\/tmp\/\w+\s?;)/i
    condition:
        any of them
}

rule notebook_kernel_remote_code
{
    meta:
        title = "Notebook runs remote or encoded code in its kernel"
        description = "Matches get_ipython calls that run downloaded or decoded code."
        category = "malware"
        severity = "high"
        confidence = "0.85"
        taxonomy = "OWASP-LLM03:2025, ATLAS:AML.T0010, CWE-494, CWE-829"
        remediation = "Do not run the notebook until someone has reviewed the command and the code it fetches."
        references = "https://cwe.mitre.org/data/definitions/494.html"
        false_alarms = "Scripts exported from notebooks that contain installers."
        files = "^.*\\.(ipynb|py|rmd|qmd|md)$"
    strings:
        $s1 = /get_ipython\(\)\.(run_cell|ex|run_code)\([^\x1e\n]{0,60}(requests\.get|urlopen|b64decode|zlib\.decompress)/i
        $s2 = /get_ipython\(\)\.(system|getoutput|run_line_magic|run_cell_magic)\([^\x1e\n]{0,160}((curl|wget)\s+[^\x1e\n]{0,120}|base64\s+(-d|--decode)[^\x1e\n]{0,40})\|\s{0,3}(sudo\s+(-\w+\s+)?)?((\/bin\/|\/usr\/bin\/env\s+)?(ba|z|da|k)?sh|python3?|perl|ruby|node)\b/i
    condition:
        any of them
}

rule notebook_pip_odd_source
{
    meta:
        title = "Notebook installs a package from a suspicious source"
        description = "Matches a pip magic with an unencrypted index, a bare IP address, a trusted-host option or a tunnel as its source."
        category = "malware"
        severity = "medium"
        confidence = "0.75"
        taxonomy = "OWASP-LLM03:2025, ATLAS:AML.T0010, CWE-494, CWE-829"
        remediation = "Do not run the notebook until someone has reviewed the command and the code it fetches."
        references = "https://cwe.mitre.org/data/definitions/494.html"
        false_alarms = "Internal company mirrors."
        files = "^.*\\.(ipynb|py|rmd|qmd|md)$"
    strings:
        $s1 = /(!|%)\s*(python3?\s+-m\s+)?pip3?\s+install\s+[^\x1e\n]{0,120}(--(extra-)?index-url|-i|-f|--find-links)[ =]["\']?http:\/+/i
        $s2 = /(!|%)\s*(python3?\s+-m\s+)?pip3?\s+install\s+[^\x1e\n]{0,120}(git\+)?https?:\/+([0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}|pastebin\.com|paste\.ee|rentry\.co|hastebin\.com|bit\.ly|tinyurl\.com|is\.gd|t\.ly|transfer\.sh|[\w-]+\.ngrok\.io|[\w-]+\.ngrok-free\.app|[\w-]+\.trycloudflare\.com|webhook\.site|[\w-]+\.onion|0x0\.st|termbin\.com|anonfiles\.com|cdn\.discordapp\.com|[\w-]+\.duckdns\.org)/i
        $s3 = /(!|%)\s*(python3?\s+-m\s+)?pip3?\s+install\s+[^\x1e\n]{0,120}(--trusted-host|git\+http:)/i
    condition:
        any of them
}

rule notebook_run_remote_magic
{
    meta:
        title = "Notebook loads code from an address"
        description = "Matches the run and load magics with a web address, which fetch code from there on every run."
        category = "malware"
        severity = "medium"
        confidence = "0.7"
        taxonomy = "OWASP-LLM03:2025, ATLAS:AML.T0010, CWE-494, CWE-829"
        remediation = "Do not run the notebook until someone has reviewed the command and the code it fetches."
        references = "https://cwe.mitre.org/data/definitions/494.html"
        false_alarms = "Course notebooks."
        files = "^.*\\.(ipynb|rmd|qmd)$"
    strings:
        $s1 = /%(run|load|loadpy|pycat)\s+(-\w\s+)?["\']?https?:\//i
    condition:
        any of them
}

rule notebook_output_runs_code
{
    meta:
        title = "Notebook output that drives the kernel"
        description = "Matches a script in a cell output that makes the browser run code in the kernel."
        category = "malware"
        severity = "high"
        confidence = "0.8"
        taxonomy = "CWE-79, CWE-94"
        remediation = "Do not run the notebook until someone has reviewed the command and the code it fetches."
        references = "https://cwe.mitre.org/data/definitions/494.html"
        false_alarms = "Interactive widgets in old notebooks."
        files = "^.*\\.(ipynb|py|rmd|qmd|md)$"
    strings:
        $s1 = /(IPython|Jupyter)\.notebook\.kernel\.execute\([^\x1e]{0,120}(os\.system|subprocess|os\.popen|curl\s+|wget\s+|b64decode|__import__)/i
        $s2 = /<(script|img|svg|iframe)[^\x1e]{0,160}(IPython|Jupyter)\.notebook\.(kernel\.execute|insert_cell|execute_cell|execute_all)[^\x1e]{0,80}(os\.system|subprocess|eval\(|exec\()/i
    condition:
        any of them
}

rule notebook_reads_credentials
{
    meta:
        title = "Notebook reads private keys"
        description = "Matches a magic that prints or archives private keys or cloud credentials."
        category = "malware"
        severity = "medium"
        confidence = "0.75"
        taxonomy = "CWE-522, ATLAS:AML.T0055"
        remediation = "Do not run the notebook until someone has reviewed the command and the code it fetches."
        references = "https://cwe.mitre.org/data/definitions/494.html"
        false_alarms = "Setup cells for private repositories."
        files = "^.*\\.(ipynb|py|rmd|qmd|md)$"
    strings:
        $s1 = /(!|%%bash[^\x1e]{0,80}\n)\s*(cat|base64|tar|zip|cp|xxd)\s+[^\x1e\n]{0,60}(\.ssh\/id_(rsa|ed25519|ecdsa)\b([^.\x1e]|$)|\.aws\/credentials|\/etc\/shadow|\.kube\/config)/i
    condition:
        any of them
}
