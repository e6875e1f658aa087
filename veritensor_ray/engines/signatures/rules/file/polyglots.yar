// Polyglots: files that are valid in two formats, so that a check sees the harmless one and a program runs the other.

rule image_with_zip
{
    meta:
        title = "Image with an appended ZIP archive"
        description = "Matches an image that also contains a ZIP archive with a directory, which archive tools and Java or Python loaders can open."
        category = "format-mismatch"
        severity = "high"
        confidence = "0.85"
        taxonomy = "CWE-434, CWE-646"
        remediation = "Remove the file or re-encode it (for example, by saving the image again), and inspect the second format inside it."
        references = "https://cwe.mitre.org/data/definitions/434.html"
        false_alarms = "Images that deliberately carry an archive. The mere signature of a PNG before an archive counts only if the archive holds a program."
    strings:
        $local = { 50 4B 03 04 (0A | 14 | 2D) 00 }
        $end = { 50 4B 05 06 00 00 00 00 }
        $program = /PK\x01\x02.{42}[^\x00]{1,200}\.(exe|dll|so|dylib|sh|bat|cmd|ps1|vbs|js|jar|class|php|py|pyc|pkl|pickle|joblib)/is
    condition:
        $local and $end and ((offset == 0 and ((uint32be(0) == 0x89504E47 and (uint32be(12) == 0x49484452 or $program)) or uint16be(0) == 0xFFD8 or uint32be(0) == 0x47494638 or (uint32be(0) == 0x52494646 and uint32be(8) == 0x57454250))) or
        (offset > 0 and extension matches /^\.(png|jpe?g|gif|webp)$/))
}

rule image_with_php
{
    meta:
        title = "Image with PHP code"
        description = "Matches an image that contains PHP code, often in its comment or metadata. A server that includes the file runs the code."
        category = "malware"
        severity = "high"
        confidence = "0.9"
        taxonomy = "CWE-434, CWE-646"
        remediation = "Remove the file or re-encode it (for example, by saving the image again), and inspect the second format inside it."
        references = "https://cwe.mitre.org/data/definitions/434.html"
        false_alarms = "Screenshots with code in their metadata."
    strings:
        $php = /<\?(php|PHP|pHp|Php)\s/
        $short = /<\?=\s*(`|system|eval|passthru|shell_exec|\$_(GET|POST|REQUEST))/i
    condition:
        offset == 0 and (uint32be(0) == 0x89504E47 or uint16be(0) == 0xFFD8 or uint32be(0) == 0x47494638 or (uint32be(0) == 0x52494646 and uint32be(8) == 0x57454250)) and ($php or $short)
}

rule image_with_script
{
    meta:
        title = "Image with an HTML script"
        description = "Matches a raster image that contains an HTML script element or event handler, which runs if the file is served as a page."
        category = "format-mismatch"
        severity = "medium"
        confidence = "0.75"
        taxonomy = "CWE-434, CWE-646"
        remediation = "Remove the file or re-encode it (for example, by saving the image again), and inspect the second format inside it."
        references = "https://cwe.mitre.org/data/definitions/434.html"
        false_alarms = "Images with a saved web page in their metadata."
    strings:
        $script = /<script[ >]/i
        $handler = /<(img|body|iframe)\s+[^>\x1e]{0,60}on(load|error)\s*=/i
    condition:
        offset == 0 and (uint32be(0) == 0x89504E47 or uint16be(0) == 0xFFD8 or uint32be(0) == 0x47494638 or (uint32be(0) == 0x52494646 and uint32be(8) == 0x57454250)) and any of them
}

rule image_header_script
{
    meta:
        title = "Image header that is also a script"
        description = "Matches a GIF, BMP or JPEG whose first bytes also parse as the start of a script comment or assignment, so that a page can load it as JavaScript."
        category = "format-mismatch"
        severity = "high"
        confidence = "0.9"
        taxonomy = "CWE-434, CWE-646"
        remediation = "Remove the file or re-encode it (for example, by saving the image again), and inspect the second format inside it."
        references = "https://cwe.mitre.org/data/definitions/434.html"
        false_alarms = "GIF images whose width and height happen to spell such bytes."
    strings:
        $gif = /GIF8[79]a\s{0,4}(=|\/\*|;|<\?|<script|`)/
        $bmp = /BM(\/\*|=)/
        $jpg = { FF D8 FF E0 2F 2A }
    condition:
        offset == 0 and ($gif at 0 or $bmp at 0 or $jpg at 0)
}

rule image_with_executable
{
    meta:
        title = "Image with a program inside"
        description = "Matches an image that contains a Windows or Linux program."
        category = "malware"
        severity = "high"
        confidence = "0.85"
        taxonomy = "CWE-434, CWE-646"
        remediation = "Remove the file or re-encode it (for example, by saving the image again), and inspect the second format inside it."
        references = "https://cwe.mitre.org/data/definitions/434.html"
        false_alarms = "None known."
    strings:
        $dos = "This program cannot be run in DOS mode"
        $elf = { 7F 45 4C 46 (01 | 02) 01 01 00 00 00 00 00 00 00 00 00 (02 | 03) 00 (03 | 28 | 3E | B7) 00 }
    condition:
        offset == 0 and (uint32be(0) == 0x89504E47 or uint16be(0) == 0xFFD8 or uint32be(0) == 0x47494638 or (uint32be(0) == 0x52494646 and uint32be(8) == 0x57454250)) and any of them
}

rule image_with_jar
{
    meta:
        title = "Image that is also a Java archive"
        description = "Matches an image with an appended Java archive (GIFAR), which a Java loader can run as a program."
        category = "malware"
        severity = "high"
        confidence = "0.9"
        taxonomy = "CWE-434, CWE-646"
        remediation = "Remove the file or re-encode it (for example, by saving the image again), and inspect the second format inside it."
        references = "https://cwe.mitre.org/data/definitions/434.html"
        false_alarms = "None known."
    strings:
        $local = { 50 4B 03 04 }
        $manifest = "META-INF/MANIFEST.MF"
        $klass = /PK\x03\x04[^\xff]{26}[\w\/]{1,60}\.class/
    condition:
        offset == 0 and (uint32be(0) == 0x89504E47 or uint16be(0) == 0xFFD8 or uint32be(0) == 0x47494638 or (uint32be(0) == 0x52494646 and uint32be(8) == 0x57454250)) and $local and ($manifest or $klass)
}

rule pdf_in_other_file
{
    meta:
        title = "PDF hidden in a file of another type"
        description = "Matches a PDF header that follows the header of an image or program within the first kilobyte, where PDF readers still accept it."
        category = "format-mismatch"
        severity = "high"
        confidence = "0.85"
        taxonomy = "CWE-434, CWE-646"
        remediation = "Remove the file or re-encode it (for example, by saving the image again), and inspect the second format inside it."
        references = "https://cwe.mitre.org/data/definitions/434.html"
        false_alarms = "None known."
    strings:
        $pdf = "%PDF-1."
        $obj = /[0-9]\s+0\s+obj\b/
    condition:
        offset == 0 and $pdf in (2..1024) and $obj and ((uint32be(0) == 0x89504E47 or uint16be(0) == 0xFFD8 or uint32be(0) == 0x47494638 or (uint32be(0) == 0x52494646 and uint32be(8) == 0x57454250)) or uint16(0) == 0x5A4D or uint32(0) == 0x464C457F)
}

rule pdf_with_zip
{
    meta:
        title = "PDF with an appended ZIP archive"
        description = "Matches a PDF followed by a ZIP archive, which archive tools and loaders open instead of the PDF."
        category = "format-mismatch"
        severity = "medium"
        confidence = "0.8"
        taxonomy = "CWE-434, CWE-646"
        remediation = "Remove the file or re-encode it (for example, by saving the image again), and inspect the second format inside it."
        references = "https://cwe.mitre.org/data/definitions/434.html"
        false_alarms = "PDF portfolios created by some tools."
    strings:
        $local = { 50 4B 03 04 (0A | 14 | 2D) 00 }
        $end = { 50 4B 05 06 00 00 00 00 }
        $eof = "%%EOF"
    condition:
        offset == 0 and uint32be(0) == 0x25504446 and $eof and $end and @local[#local] > @eof[#eof]
}

rule pdf_with_executable
{
    meta:
        title = "PDF with a program inside"
        description = "Matches a PDF that contains an uncompressed Windows program."
        category = "malware"
        severity = "medium"
        confidence = "0.75"
        taxonomy = "CWE-434, CWE-646"
        remediation = "Remove the file or re-encode it (for example, by saving the image again), and inspect the second format inside it."
        references = "https://cwe.mitre.org/data/definitions/434.html"
        false_alarms = "Papers about malware that quote the message in the header of Windows programs."
    strings:
        $dos = "This program cannot be run in DOS mode"
    condition:
        offset == 0 and uint32be(0) == 0x25504446 and for any j in (1..#dos) : (@dos[j] > 78 and uint16(@dos[j] - 78) == 0x5A4D)
}

rule safetensors_with_zip
{
    meta:
        title = "Safetensors file that is also an archive"
        description = "Matches a safetensors file that contains a ZIP archive, which a loader for PyTorch archives may open and unpickle."
        category = "unsafe-model"
        severity = "high"
        confidence = "0.85"
        taxonomy = "OWASP-LLM03:2025, ATLAS:AML.T0010, CWE-502"
        remediation = "Remove the file or re-encode it (for example, by saving the image again), and inspect the second format inside it."
        references = "https://cwe.mitre.org/data/definitions/434.html"
        false_alarms = "None known."
    strings:
        $local = { 50 4B 03 04 (0A | 14 | 2D) 00 }
        $end = { 50 4B 05 06 00 00 00 00 }
        $pkl = /data\.pkl|archive\/data|\/byteorder/
    condition:
        extension == ".safetensors" and $local and ($end or $pkl)
}
