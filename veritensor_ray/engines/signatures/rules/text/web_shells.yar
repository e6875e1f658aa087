// Web shells: server scripts that run code or commands sent by a visitor.

rule php_eval_request
{
    meta:
        title = "PHP that runs request data"
        description = "Matches PHP that passes request data to eval, system or a similar function."
        category = "malware"
        severity = "high"
        confidence = "0.95"
        taxonomy = "CWE-506, CWE-78, CWE-94"
        remediation = "Remove the file, and check every server on which it was stored."
        references = "https://cwe.mitre.org/data/definitions/506.html"
        false_alarms = "Web security training material."
    strings:
        $s1 = /\b(eval|assert|system|passthru|shell_exec|popen|proc_open|pcntl_exec)\s?\(\s?@?(base64_decode\(|stripslashes\(|trim\(|urldecode\(|str_rot13\(|\(string\))?\s?@?\$_(GET|POST|REQUEST|COOKIE|SERVER|FILES)\b/i
        $s2 = /[^\w>:\x1e]exec\s?\(\s?@?(base64_decode\(|stripslashes\()?\s?\$_(GET|POST|REQUEST|COOKIE|SERVER|FILES)\b/i
        $s3 = /\$_(GET|POST|REQUEST|COOKIE|SERVER|FILES)\b\[[^\]\x1e\n]{1,24}\]\s?\(\s?\$_(GET|POST|REQUEST|COOKIE|SERVER|FILES)\b/i
        $s4 = /`\s?\$_(GET|POST|REQUEST|COOKIE|SERVER|FILES)\b\[[^\]\x1e\n]{1,24}\]\s?`/i
        $s5 = /preg_replace\s?\(\s?["\']\/[^\x1e\n]{0,20}\/e["\'],\s?\$_(GET|POST|REQUEST|COOKIE|SERVER|FILES)\b/i
    condition:
        any of them
}

rule php_obfuscated_eval
{
    meta:
        title = "Obfuscated PHP"
        description = "Matches PHP that evaluates decoded or unpacked text, the disguise of most PHP web shells."
        category = "malware"
        severity = "high"
        confidence = "0.85"
        taxonomy = "CWE-506, CWE-78, CWE-94"
        remediation = "Remove the file, and check every server on which it was stored."
        references = "https://cwe.mitre.org/data/definitions/506.html"
        false_alarms = "License checks in commercial PHP code."
    strings:
        $s1 = /\beval\s?\(\s?(\?>|"\?>"\s?\.\s?)?\s?@?(gzinflate|gzuncompress|gzdecode|str_rot13|strrev|base64_decode|rawurldecode)\s?\(\s?@?(gzinflate|gzuncompress|gzdecode|str_rot13|strrev|base64_decode|rawurldecode|["\'\$])/i
        $s2 = /\bassert\s?\(\s?(gzinflate|str_rot13|base64_decode)\s?\(/i
    condition:
        any of them
}

rule web_shell_names
{
    meta:
        title = "Name of a known web shell"
        description = "Matches the names and markers of well-known web shells."
        category = "malware"
        severity = "medium"
        confidence = "0.8"
        taxonomy = "CWE-506, CWE-78, CWE-94"
        remediation = "Remove the file, and check every server on which it was stored."
        references = "https://cwe.mitre.org/data/definitions/506.html"
        false_alarms = "Reports and rule sets that name the tools."
    strings:
        $s1 = "c99shell" nocase
        $s2 = "r57shell" nocase
        $s3 = "b374k shell" nocase
        $s4 = "FilesMan"
        $s5 = "weevely" nocase
        $s6 = "China Chopper" nocase
        $s7 = "e45e329feb5d925b" nocase
        $s8 = "AntSword" nocase
        $s9 = "P0wny@shell" nocase
        $s10 = /\bWSO\s+[0-9]\.[0-9]/i
        $s11 = "WebShellOrb" nocase
    condition:
        any of them
}

rule jsp_exec_request
{
    meta:
        title = "JSP that runs request data"
        description = "Matches Java Server Pages that run a request parameter as a command."
        category = "malware"
        severity = "high"
        confidence = "0.95"
        taxonomy = "CWE-506, CWE-78, CWE-94"
        remediation = "Remove the file, and check every server on which it was stored."
        references = "https://cwe.mitre.org/data/definitions/506.html"
        false_alarms = "Web security training material."
    strings:
        $s1 = /getRuntime\(\)\.exec\([^\x1e\n]{0,60}request\.getParameter\(/i
        $s2 = /new\s+ProcessBuilder\([^\x1e\n]{0,60}request\.getParameter\(/i
    condition:
        any of them
}

rule asp_exec_request
{
    meta:
        title = "ASP that runs request data"
        description = "Matches ASP or ASP.NET pages that run request data."
        category = "malware"
        severity = "high"
        confidence = "0.95"
        taxonomy = "CWE-506, CWE-78, CWE-94"
        remediation = "Remove the file, and check every server on which it was stored."
        references = "https://cwe.mitre.org/data/definitions/506.html"
        false_alarms = "Text that happens to contain \"execute request (\"."
    strings:
        $s1 = /\b(eval|execute|executeglobal)[ (]{1,2}request\s?(\(\s?["\'%]|\.item[\[(]|\[["\'])/i
        $s2 = /\beval\(\s?Request\.Item\[/i
        $s3 = /Process\.Start\([^\x1e\n]{0,60}Request(\.(Form|QueryString|Params))?[\[(]/i
        $s4 = /Assembly\.Load\([^\x1e\n]{0,60}Request\.(BinaryRead|Form|Item)/i
    condition:
        any of them
}

rule python_web_shell
{
    meta:
        title = "Python web handler that runs request data"
        description = "Matches Flask, Django or similar code that runs a request value as a command or as code."
        category = "malware"
        severity = "high"
        confidence = "0.85"
        taxonomy = "CWE-506, CWE-78, CWE-94"
        remediation = "Remove the file, and check every server on which it was stored."
        references = "https://cwe.mitre.org/data/definitions/506.html"
        false_alarms = "Web security training material."
    strings:
        $s1 = /\b(os\.(system|popen)|subprocess\.(run|call|Popen|check_output|getoutput))\(\s?(shlex\.split\()?request\.(args|form|values|json|data|GET|POST|query_params)/i
        $s2 = /\b(eval|exec)\(\s?(base64\.b64decode\()?request\.(args|form|values|json|data|GET|POST)/i
    condition:
        any of them
}

rule node_web_shell
{
    meta:
        title = "Node.js handler that runs request data"
        description = "Matches Node.js code that runs a request value as a command or as code."
        category = "malware"
        severity = "high"
        confidence = "0.85"
        taxonomy = "CWE-506, CWE-78, CWE-94"
        remediation = "Remove the file, and check every server on which it was stored."
        references = "https://cwe.mitre.org/data/definitions/506.html"
        false_alarms = "Web security training material."
    strings:
        $s1 = /\b(exec|execSync|spawn|spawnSync|eval)\(\s?(req|request|ctx)\.(query|body|params|headers)\b/i
    condition:
        any of them
}
