// Droppers: scripts that fetch, decode and run code, open a shell to another host or disable defenses.

rule powershell_encoded_command
{
    meta:
        title = "Encoded PowerShell command"
        description = "Matches PowerShell started with a long encoded command, which hides the code that runs."
        category = "malware"
        severity = "high"
        confidence = "0.9"
        taxonomy = "CWE-506, CWE-94, ATLAS:AML.T0050"
        remediation = "Do not run the file. Remove it, and check every machine on which it was opened."
        references = "https://cwe.mitre.org/data/definitions/506.html"
        false_alarms = "Remote administration tools."
    strings:
        $s1 = /\b(powershell|pwsh)(\.exe)?["\']?\s+[^\x1e\n]{0,120}[-\/]e(c|n|nc|nco|ncod|ncode|ncodedcommand)?\s+["\']?[A-Za-z0-9+\/]{40}/i
    condition:
        any of them
}

rule powershell_download_execute
{
    meta:
        title = "PowerShell downloads and runs code"
        description = "Matches PowerShell that evaluates code it has just downloaded."
        category = "malware"
        severity = "medium"
        confidence = "0.75"
        taxonomy = "CWE-506, CWE-94, ATLAS:AML.T0050"
        remediation = "Do not run the file. Remove it, and check every machine on which it was opened."
        references = "https://cwe.mitre.org/data/definitions/506.html"
        false_alarms = "Documented installers of package managers."
    strings:
        $s1 = /\b(IEX|Invoke-Expression)[\s(&"\']{1,6}[^\x1e\n]{0,60}(Net\.WebClient|DownloadString)/i
        $s2 = /\b(IEX|Invoke-Expression)[\s&\"\']{0,4}\$?\(+\s?(iwr|irm|Invoke-WebRequest|Invoke-RestMethod)\b/i
        $s3 = /(DownloadString\([^\x1e\n]{1,120}\)|\b(iwr|irm|Invoke-WebRequest|Invoke-RestMethod)\s+[^\x1e\n|]{1,140})\s{0,3}\|\s?(iex|Invoke-Expression)\b/i
    condition:
        any of them
}

rule powershell_hidden_download
{
    meta:
        title = "Hidden PowerShell download"
        description = "Matches PowerShell with a hidden window that downloads or evaluates code."
        category = "malware"
        severity = "high"
        confidence = "0.85"
        taxonomy = "CWE-506, CWE-94, ATLAS:AML.T0050"
        remediation = "Do not run the file. Remove it, and check every machine on which it was opened."
        references = "https://cwe.mitre.org/data/definitions/506.html"
        false_alarms = "Startup scripts on managed desktops."
    strings:
        $s1 = /\b(powershell|pwsh)(\.exe)?["\']?\s+[^\x1e\n]{0,80}-w(in|indowstyle)?\s+["\']?(h|hid|hidden|1)\b[^\x1e\n]{0,160}(DownloadString|DownloadFile|IEX\b|Invoke-Expression|FromBase64String|Net\.WebClient|-enc?\b|iwr\s+|irm\s+)/i
    condition:
        any of them
}

rule windows_remote_script_host
{
    meta:
        title = "Windows tool that runs a remote script"
        description = "Matches mshta, regsvr32, rundll32, certutil or bitsadmin used to fetch or run code from the network."
        category = "malware"
        severity = "high"
        confidence = "0.85"
        taxonomy = "CWE-506, CWE-94, ATLAS:AML.T0050"
        remediation = "Do not run the file. Remove it, and check every machine on which it was opened."
        references = "https://cwe.mitre.org/data/definitions/506.html"
        false_alarms = "Articles about attack techniques."
    strings:
        $s1 = /\bmshta(\.exe)?["\']?\s+["\']?(https?:|vbscript:|javascript:)/i
        $s2 = /\bregsvr32(\.exe)?\s+[^\x1e\n]{0,40}\/i:["\']?https?:/i
        $s3 = /\brundll32(\.exe)?\s+["\']?javascript:/i
        $s4 = /\bcertutil(\.exe)?\s+[^\x1e\n]{0,50}-urlcache\b[^\x1e\n]{0,50}https?:/i
        $s5 = /\bbitsadmin(\.exe)?\s+[^\x1e\n]{0,20}\/transfer\b[^\x1e\n]{0,80}https?:/i
    condition:
        any of them
}

rule base64_pipe_shell
{
    meta:
        title = "Decoded text piped into an interpreter"
        description = "Matches base64 or hex text decoded straight into a shell or interpreter."
        category = "malware"
        severity = "high"
        confidence = "0.85"
        taxonomy = "CWE-506, CWE-94, ATLAS:AML.T0050"
        remediation = "Do not run the file. Remove it, and check every machine on which it was opened."
        references = "https://cwe.mitre.org/data/definitions/506.html"
        false_alarms = "Installers that embed their payload."
    strings:
        $s1 = /\bbase64\s+(-d|-D|-di|--decode)\b[^\x1e\n|]{0,30}\|\s{0,3}(sudo\s+(-\w+\s+)?)?((\/bin\/|\/usr\/bin\/env\s+)?(ba|z|da|k)?sh|python3?|perl|ruby|node)\b/i
        $s2 = /\bxxd\s+-r\s+(-p\s*)?[^\x1e\n|]{0,20}\|\s{0,3}(sudo\s+(-\w+\s+)?)?((\/bin\/|\/usr\/bin\/env\s+)?(ba|z|da|k)?sh|python3?|perl|ruby|node)\b/i
        $s3 = /\bopenssl\s+(enc\s+)?(-base64\s+-d|base64\s+-d)\b[^\x1e\n|]{0,30}\|\s{0,3}(sudo\s+(-\w+\s+)?)?((\/bin\/|\/usr\/bin\/env\s+)?(ba|z|da|k)?sh|python3?|perl|ruby|node)\b/i
        $s4 = /\b(ba)?sh\s+-c\s+["\']?\$\(echo\s+[A-Za-z0-9+\/=]{12,160}\s*\|\s?base64/i
    condition:
        any of them
}

rule curl_pipe_shell
{
    meta:
        title = "Download piped into a shell"
        description = "Matches a download piped into an interpreter. This is common in manuals, but unsafe because the host decides what runs."
        category = "malware"
        severity = "low"
        confidence = "0.6"
        taxonomy = "CWE-494"
        remediation = "Do not run the file. Remove it, and check every machine on which it was opened."
        references = "https://cwe.mitre.org/data/definitions/506.html"
        false_alarms = "Documented installers."
    strings:
        $s1 = /\b(curl|wget)\s+[^\x1e\n|]{1,120}\|\s{0,3}(sudo\s+(-\w+\s+)?)?((\/bin\/|\/usr\/bin\/env\s+)?(ba|z|da|k)?sh|python3?|perl|ruby|node)\b/i
        $s2 = /\b(ba|z)?sh\s+(-c\s+)?["\']?(<\(|\$\()(curl|wget)\s+/i
    condition:
        any of them
}

rule curl_pipe_shell_odd_host
{
    meta:
        title = "Script from a suspicious host piped into a shell"
        description = "Matches a script from a bare IP address, a paste service, a tunnel or a link shortener that is piped into an interpreter."
        category = "malware"
        severity = "high"
        confidence = "0.85"
        taxonomy = "CWE-494, CWE-506"
        remediation = "Do not run the file. Remove it, and check every machine on which it was opened."
        references = "https://cwe.mitre.org/data/definitions/506.html"
        false_alarms = "Lab environments on a private network."
    strings:
        $s1 = /\b(curl|wget)\s+[^\x1e\n|]{0,80}https?:\/+([0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}|pastebin\.com|paste\.ee|rentry\.co|hastebin\.com|bit\.ly|tinyurl\.com|is\.gd|t\.ly|transfer\.sh|[\w-]+\.ngrok\.io|[\w-]+\.ngrok-free\.app|[\w-]+\.trycloudflare\.com|webhook\.site|[\w-]+\.onion|0x0\.st|termbin\.com|anonfiles\.com|cdn\.discordapp\.com|[\w-]+\.duckdns\.org)[^\x1e\n|]{0,80}\|\s{0,3}(sudo\s+(-\w+\s+)?)?((\/bin\/|\/usr\/bin\/env\s+)?(ba|z|da|k)?sh|python3?|perl|ruby|node)\b/i
    condition:
        any of them
}

rule download_chmod_execute
{
    meta:
        title = "File downloaded, made executable and started"
        description = "Matches a single command line that downloads a file, makes it executable and starts it."
        category = "malware"
        severity = "medium"
        confidence = "0.75"
        taxonomy = "CWE-494, CWE-506"
        remediation = "Do not run the file. Remove it, and check every machine on which it was opened."
        references = "https://cwe.mitre.org/data/definitions/506.html"
        false_alarms = "Installers in Dockerfiles."
    strings:
        $s1 = /\b(curl|wget)\s+[^\x1e\n]{1,100}(;|&&)\s*chmod\s+(\+x|a\+x|u\+x|[0-7]{3,4})\s+[^\x1e\n]{1,60}(;|&&)\s*(sudo\s+|nohup\s+)?(\.\/|\/tmp\/|\/dev\/shm\/|\/var\/tmp\/|sh\s+)/i
    condition:
        any of them
}

rule python_exec_encoded
{
    meta:
        title = "Python runs encoded code"
        description = "Matches Python that runs decoded or unpacked text, the usual disguise of malicious packages."
        category = "malware"
        severity = "high"
        confidence = "0.85"
        taxonomy = "CWE-506, CWE-94, ATLAS:AML.T0050"
        remediation = "Do not run the file. Remove it, and check every machine on which it was opened."
        references = "https://cwe.mitre.org/data/definitions/506.html"
        false_alarms = "Self-extracting scripts and bundlers."
    strings:
        $s1 = /\b(exec|eval)\s?\(\s?(compile\(\s?)?(__import__\(\s?["\'](base64|zlib|marshal|codecs|lzma|bz2|binascii)["\']\s?\)|base64|zlib|marshal|codecs|lzma|bz2|binascii)\.(b64decode|decompress|loads|decode|a85decode|b85decode|b32decode|urlsafe_b64decode|unhexlify)\(/i
        $s2 = /\b__import__\(\s?["\']zlib["\']\s?\)\.decompress\(\s?__import__\(\s?["\']base64["\']/i
        $s3 = /\bexec\s?\(\s?\(_\)\(b["\']/i
        $s4 = /\bgetattr\(__import__\(["\']builtins["\']\)\s?,\s?["\'](exec|eval)["\']/i
    condition:
        any of them
}

rule python_exec_download
{
    meta:
        title = "Python runs downloaded code"
        description = "Matches Python that runs the response to a web request."
        category = "malware"
        severity = "high"
        confidence = "0.85"
        taxonomy = "CWE-494, CWE-94, CWE-506"
        remediation = "Do not run the file. Remove it, and check every machine on which it was opened."
        references = "https://cwe.mitre.org/data/definitions/506.html"
        false_alarms = "Old bootstrap scripts."
    strings:
        $s1 = /\b(exec|eval)\s?\(\s?(compile\(\s?)?(requests\.get|urllib\.request\.urlopen|urllib2\.urlopen|urlopen|httpx\.get|__import__\(["\'](requests|urllib[\w.]*)["\']\))\(?/i
        $s2 = /\b(os\.system|os\.popen|subprocess\.\w+)\([^\x1e\n]{0,20}(curl|wget)\s+[^\x1e\n|]{1,100}\|\s{0,3}(sudo\s+(-\w+\s+)?)?((\/bin\/|\/usr\/bin\/env\s+)?(ba|z|da|k)?sh|python3?|perl|ruby|node)\b/i
    condition:
        any of them
}

rule bash_reverse_shell
{
    meta:
        title = "Reverse shell"
        description = "Matches commands that give another host control of a shell."
        category = "malware"
        severity = "high"
        confidence = "0.9"
        taxonomy = "CWE-506, CWE-94, ATLAS:AML.T0050"
        remediation = "Do not run the file. Remove it, and check every machine on which it was opened."
        references = "https://cwe.mitre.org/data/definitions/506.html"
        false_alarms = "Manuals for network tools and articles about attack techniques."
    strings:
        $s1 = /\b(ba|z|k)?sh\s+-i\s*(>&|&>|>|<)\s{0,3}\/dev\/(tcp|udp)\//i
        $s2 = /\bexec\s+[0-9]{1,3}<>\/dev\/tcp\/[^\x1e]{3,60};[^\x1e]{0,40}(while\s+read|sh\s+|cat\s+<&)/i
        $s3 = /\b(nc|ncat|netcat)(\.exe|\.traditional)?\s+([^\x1e\n]{1,60}\s+)?-(e|c)\s*["\']?(\/bin\/)?(ba|z)?(sh|cmd\.exe)\b/i
        $s4 = /\bmkfifo\s+\/tmp\/\w+\s?(;|&&)[^\x1e\n]{0,80}\|\s?(nc|ncat|openssl|telnet)\s+/i
        $s5 = /\bsocat\s+[^\x1e\n]{0,80}exec:["\']?(\/bin\/)?(ba|z)?sh\b/i
    condition:
        any of them
}

rule scripted_reverse_shell
{
    meta:
        title = "Reverse shell in a scripting language"
        description = "Matches Python, Perl, PHP, Ruby or PowerShell code that connects a shell to a socket."
        category = "malware"
        severity = "high"
        confidence = "0.9"
        taxonomy = "CWE-506, CWE-94, ATLAS:AML.T0050"
        remediation = "Do not run the file. Remove it, and check every machine on which it was opened."
        references = "https://cwe.mitre.org/data/definitions/506.html"
        false_alarms = "Articles about attack techniques."
    strings:
        $s1 = /socket\.socket\([^\x1e]{0,140}\bdup2\([^\x1e]{0,140}(\/bin\/(ba)?sh|pty\.spawn|subprocess)/i
        $s2 = /\bfsockopen\([^\x1e\n]{1,80}\);\s?(\$\w+\s?=\s?)?(exec|shell_exec|system|passthru|popen|proc_open)\(["\'](\/bin\/)?(ba)?sh/i
        $s3 = /TCPSocket\.(new|open)\([^\x1e\n]{1,80}(exec\s?\(?["\']\/bin\/|IO\.popen)/i
        $s4 = /use\s+Socket;[^\x1e]{0,200}exec\s?\{?\(?["\']\/bin\/(ba)?sh/i
        $s5 = /Net\.Sockets\.TCPClient\([^\x1e]{1,200}(GetStream\(\)[^\x1e]{0,100}(iex|byte\[\])|\biex\b)/i
    condition:
        any of them
}

rule vba_auto_run_shell
{
    meta:
        title = "Macro that starts a program when the document opens"
        description = "Matches a macro that runs when a document is opened and starts a shell or downloads a file."
        category = "malware"
        severity = "high"
        confidence = "0.9"
        taxonomy = "CWE-506, CWE-94, ATLAS:AML.T0050"
        remediation = "Do not run the file. Remove it, and check every machine on which it was opened."
        references = "https://cwe.mitre.org/data/definitions/506.html"
        false_alarms = "In-house macros that start the company's own tools."
    strings:
        $s1 = /\b(Sub|Function)\s+(Auto_?Open|Auto_?Close|AutoExec|Document_Open|Document_Close|Workbook_Open|DocumentOpen)\s?\(\)[^\x1e]{0,300}(\bShell[ (]|WScript\.Shell|URLDownloadToFile|powershell|Shell\.Application|MSXML2\.|CreateObject\(["\']?WinHttp)/i
    condition:
        any of them
}

rule script_host_dropper
{
    meta:
        title = "Windows script that saves or starts a download"
        description = "Matches VBScript or JScript that combines a web request with a file write or a shell."
        category = "malware"
        severity = "high"
        confidence = "0.8"
        taxonomy = "CWE-506, CWE-94, ATLAS:AML.T0050"
        remediation = "Do not run the file. Remove it, and check every machine on which it was opened."
        references = "https://cwe.mitre.org/data/definitions/506.html"
        false_alarms = "Logon scripts."
    strings:
        $s1 = /(CreateObject|ActiveXObject)\(["\'](MSXML2\.(Server)?XMLHTTP|Microsoft\.XMLHTTP|WinHttp\.WinHttpRequest)[^\x1e]{1,300}(ADODB\.Stream|WScript\.Shell|SaveToFile|Shell\.Application)/i
        $s2 = /(CreateObject|ActiveXObject)\(["\'](WScript\.Shell|Shell\.Application)["\']\)[^\x1e]{0,160}\b(powershell|mshta|cmd(\.exe)?\s+\/c|certutil|bitsadmin|https?:\/)/i
    condition:
        any of them
}

rule node_dropper
{
    meta:
        title = "JavaScript that runs decoded or downloaded code"
        description = "Matches JavaScript that evaluates decoded text or starts a download through a child process."
        category = "malware"
        severity = "medium"
        confidence = "0.75"
        taxonomy = "CWE-506, CWE-94, ATLAS:AML.T0050"
        remediation = "Do not run the file. Remove it, and check every machine on which it was opened."
        references = "https://cwe.mitre.org/data/definitions/506.html"
        false_alarms = "Packed web pages."
    strings:
        $s1 = /\beval\(\s?(atob\(|Buffer\.from\([^\x1e\n)]{1,200},\s?["\'](base64|hex)["\']\)|unescape\(["\']%)/i
        $s2 = /child_process["\']\)\.(exec|execSync|spawn)\(\s?["\'`][^\x1e\n]{0,30}(curl|wget|powershell|certutil)\b/i
        $s3 = /"(pre|post)?install"\s?:\s?"[^"\x1e\n]{0,100}((curl|wget)\s+[^"\x1e\n|]{1,100}\|\s?(ba)?sh|node\s+-e\s+[^"\x1e\n]{0,60}(eval|child_process)|base64\s+-d)/i
    condition:
        any of them
}

rule stealer_markers
{
    meta:
        title = "Marker of a password or token stealer"
        description = "Matches strings found in scripts that steal browser passwords, chat tokens or logon passwords."
        category = "malware"
        severity = "high"
        confidence = "0.8"
        taxonomy = "CWE-506, CWE-522"
        remediation = "Do not run the file. Remove it, and check every machine on which it was opened."
        references = "https://cwe.mitre.org/data/definitions/506.html"
        false_alarms = "Password recovery tools."
    strings:
        $s1 = "dQw4w9WgXcQ:"
        $s2 = /osascript\b[^\x1e\n]{0,60}display\s+dialog[^\x1e]{0,140}hidden\s+answer/i
        $s3 = /CryptUnprotectData\([^\x1e]{0,200}(Login\s+Data|encrypted_key)/i
        $s4 = /encrypted_key["\'][^\x1e]{0,160}CryptUnprotectData/i
        $s5 = /(discord|discordcanary)["\'\\\/][^\x1e\n]{0,60}Local\s+Storage[\\\/]{1,4}leveldb/i
    condition:
        any of them
}

rule miner_pool_address
{
    meta:
        title = "Address of a mining pool"
        description = "Matches the address of a coin mining pool, through which attackers turn stolen computing time into money."
        category = "malware"
        severity = "medium"
        confidence = "0.75"
        taxonomy = "CWE-506, ATLAS:AML.T0034"
        remediation = "Do not run the file. Remove it, and check every machine on which it was opened."
        references = "https://cwe.mitre.org/data/definitions/506.html"
        false_alarms = "Documentation for mining software."
    strings:
        $s1 = /stratum\+(tcp|ssl|tls):\/\/[\w.-]{4,60}:[0-9]{2,5}/i
        $s2 = /\b(xmrig|minerd|cpuminer|xmr-stak)\b[^\x1e\n]{0,40}\s+(-o|--url)[ =][\w.:\/+-]{6,80}/i
    condition:
        any of them
}

rule cron_download_persistence
{
    meta:
        title = "Cron job that downloads and runs code"
        description = "Matches a cron entry that repeatedly fetches a script and runs it."
        category = "malware"
        severity = "high"
        confidence = "0.85"
        taxonomy = "CWE-506, CWE-94, ATLAS:AML.T0050"
        remediation = "Do not run the file. Remove it, and check every machine on which it was opened."
        references = "https://cwe.mitre.org/data/definitions/506.html"
        false_alarms = "Jobs that update a host from its own server."
    strings:
        $s1 = /\*\s+\*\s+\*\s+[^\x1e\n]{0,40}(curl|wget)\s+[^\x1e\n|]{1,100}\|\s{0,3}(sudo\s+(-\w+\s+)?)?((\/bin\/|\/usr\/bin\/env\s+)?(ba|z|da|k)?sh|python3?|perl|ruby|node)\b/i
    condition:
        any of them
}

rule defence_shutdown
{
    meta:
        title = "Command that disables defenses or deletes backups"
        description = "Matches commands that disable malware protection or delete backups, as ransomware does."
        category = "malware"
        severity = "high"
        confidence = "0.8"
        taxonomy = "CWE-506, CWE-94, ATLAS:AML.T0050"
        remediation = "Do not run the file. Remove it, and check every machine on which it was opened."
        references = "https://cwe.mitre.org/data/definitions/506.html"
        false_alarms = "Administration guides and articles about ransomware."
    strings:
        $s1 = /Set-MpPreference\s+[^\x1e\n]{0,60}-Disable(RealtimeMonitoring|IOAVProtection|BehaviorMonitoring)\s*:?(\$true|1)/i
        $s2 = /\bvssadmin(\.exe)?\s+delete\s+shadows\b/i
        $s3 = /\bwbadmin(\.exe)?\s+delete\s+(catalog|systemstatebackup)/i
        $s4 = /\bbcdedit(\.exe)?\s+[^\x1e\n]{0,30}recoveryenabled\s+no\b/i
        $s5 = /\bwmic(\.exe)?\s+shadowcopy\s+delete/i
    condition:
        any of them
}

rule shellcode_literal
{
    meta:
        title = "Shellcode written as text"
        description = "Matches the first bytes of widely used attack shellcode, written as escapes, a list, hex or base64."
        category = "malware"
        severity = "high"
        confidence = "0.95"
        taxonomy = "CWE-506"
        remediation = "Do not run the file. Remove it, and check every machine on which it was opened."
        references = "https://cwe.mitre.org/data/definitions/506.html"
        false_alarms = "Articles about attack techniques."
    strings:
        $s1 = "\\xfc\\x48\\x83\\xe4\\xf0\\xe8" nocase
        $s2 = "\\xfc\\xe8\\x82\\x00\\x00\\x00" nocase
        $s3 = "\\xfc\\xe8\\x89\\x00\\x00\\x00" nocase
        $s4 = "\\xfc\\xe8\\x8f\\x00\\x00\\x00" nocase
        $s5 = "0xfc,0x48,0x83,0xe4,0xf0" nocase
        $s6 = "0xfc, 0x48, 0x83, 0xe4, 0xf0" nocase
        $s7 = "0xfc,0xe8,0x82,0x00,0x00,0x00" nocase
        $s8 = "0xfc,0xe8,0x8f,0x00,0x00,0x00" nocase
        $s9 = "fc4883e4f0e8c0000000" nocase
        $s10 = "fc4883e4f0e8cc000000" nocase
        $s11 = "/EiD5PDowAAAA"
        $s12 = "/EiD5PDozAAAA"
    condition:
        any of them
}
