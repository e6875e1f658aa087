// Hidden Unicode: runs of invisible, reordering or tag characters that hide text from people but not from models.

rule unicode_tag_characters
{
    meta:
        title = "Text written in Unicode tag characters"
        description = "Matches runs of invisible tag characters (U+E0020 to U+E007F), which spell hidden ASCII that language models can read. Regional flags are excluded."
        category = "hidden-content"
        severity = "high"
        confidence = "0.95"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0068, CWE-451"
        remediation = "Decode the hidden characters, read the result, and strip them from the corpus."
        references = "https://embracethered.com/blog/posts/2024/hiding-and-finding-text-with-unicode-tags/, https://atlas.mitre.org/techniques/AML.T0068"
        false_alarms = "Test files of Unicode libraries."
    strings:
        $s1 = /(^|[\x00-\x1d\x1f-\x7f]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xee][\x80-\xbf][\x80-\xbf]|\xef[\x80-\xb7\xb9-\xbf][\x80-\xbf])(\xf3\xa0\x80[\xa0-\xbf]|\xf3\xa0\x81[\x80-\xbf]){3,4}/
        $s2 = /\xf0[\x80-\xbf][\x80-\xbf][\x80-\xb3\xb5-\xbf](\xf3\xa0\x80[\xa0-\xbf]|\xf3\xa0\x81[\x80-\xbf]){3,4}/
        $s3 = /\xf0[\x80-\xbf][\x80-\xbf]\xb4(\xf3\xa0\x80[\xa0-\xbf]|\xf3\xa0\x81[\x80-\xbf]){9,10}/
        $s4 = /\xf3\xa0[\x82-\xbf][\x80-\xbf](\xf3\xa0\x80[\xa0-\xbf]|\xf3\xa0\x81[\x80-\xbf]){3,4}/
    condition:
        any of them
}

rule escaped_tag_characters
{
    meta:
        title = "Escaped Unicode tag characters"
        description = "Matches runs of tag characters written as escapes or entities in source, JSON or HTML, which become hidden text once decoded."
        category = "hidden-content"
        severity = "high"
        confidence = "0.85"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0068, CWE-451"
        remediation = "Decode the hidden characters, read the result, and strip them from the corpus."
        references = "https://unicode.org/reports/tr36/, https://atlas.mitre.org/techniques/AML.T0068"
        false_alarms = "Test files of Unicode libraries."
    strings:
        $s1 = /(\\udb40\\udc[2-7][0-9a-f]){8,40}/i
        $s2 = /(\\u\{e00[2-7][0-9a-f]\}){8,40}/i
        $s3 = /(\\U000e00[2-7][0-9a-f]){8,38}/i
        $s4 = /(&#x0?e00[2-7][0-9a-f];){8,40}/i
        $s5 = /(&#9175[3-9][0-9];|&#9176[0-3][0-9];){8,40}/
    condition:
        any of them
}

rule zero_width_run
{
    meta:
        title = "Run of zero-width characters"
        description = "Matches six or more zero-width characters in a row, which normal text does not need and which can carry a hidden message."
        category = "hidden-content"
        severity = "medium"
        confidence = "0.8"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0068, CWE-451"
        remediation = "Decode the hidden characters, read the result, and strip them from the corpus."
        references = "https://unicode.org/reports/tr36/, https://atlas.mitre.org/techniques/AML.T0068"
        false_alarms = "Text copied from chat tools, and email layouts padded with zero-width characters."
    strings:
        $s1 = /(^|[\x00-\x1d\x1f-\x7f]|[\xc2-\xdf][\x80-\xbf]|[\xe0\xe1\xe3-\xee][\x80-\xbf][\x80-\xbf]|\xe2\x80[\x80-\x8a\x90-\xbf]|\xe2[\x82-\xbf][\x80-\xbf]|\xef[\x80-\xba\xbc-\xbf][\x80-\xbf]|\xf0[\x80-\xbf][\x80-\xbf][\x80-\xbf])(\xe2\x80[\x8b-\x8d]|\xe2\x81[\xa0-\xa4]|\xef\xbb\xbf){6,7}/
    condition:
        any of them
}

rule zero_width_payload
{
    meta:
        title = "Message encoded in zero-width characters"
        description = "Matches a long run of zero-width characters that mixes two kinds, as in the binary encoding of zero-width steganography."
        category = "hidden-content"
        severity = "high"
        confidence = "0.9"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0068, CWE-451"
        remediation = "Decode the hidden characters, read the result, and strip them from the corpus."
        references = "https://unicode.org/reports/tr36/, https://atlas.mitre.org/techniques/AML.T0068"
        false_alarms = "Watermarks in leaked documents."
    strings:
        $s1 = /(^|[\x00-\x1d\x1f-\x7f]|[\xc2-\xdf][\x80-\xbf]|[\xe0\xe1\xe3-\xee][\x80-\xbf][\x80-\xbf]|\xe2\x80[\x80-\x8a\x90-\xbf]|\xe2[\x82-\xbf][\x80-\xbf]|\xef[\x80-\xba\xbc-\xbf][\x80-\xbf]|\xf0[\x80-\xbf][\x80-\xbf][\x80-\xbf])(\xe2\x80\x8b){1,12}(\xe2\x80[\x8c\x8d]|\xe2\x81[\xa0-\xa4]|\xef\xbb\xbf)(\xe2\x80[\x8b-\x8d]|\xe2\x81[\xa0-\xa4]|\xef\xbb\xbf){20,21}/
        $s2 = /(^|[\x00-\x1d\x1f-\x7f]|[\xc2-\xdf][\x80-\xbf]|[\xe0\xe1\xe3-\xee][\x80-\xbf][\x80-\xbf]|\xe2\x80[\x80-\x8a\x90-\xbf]|\xe2[\x82-\xbf][\x80-\xbf]|\xef[\x80-\xba\xbc-\xbf][\x80-\xbf]|\xf0[\x80-\xbf][\x80-\xbf][\x80-\xbf])(\xe2\x80[\x8c]){1,12}(\xe2\x80[\x8b\x8d]|\xe2\x81[\xa0-\xa4]|\xef\xbb\xbf)(\xe2\x80[\x8b-\x8d]|\xe2\x81[\xa0-\xa4]|\xef\xbb\xbf){20,21}/
        $s3 = /(^|[\x00-\x1d\x1f-\x7f]|[\xc2-\xdf][\x80-\xbf]|[\xe0\xe1\xe3-\xee][\x80-\xbf][\x80-\xbf]|\xe2\x80[\x80-\x8a\x90-\xbf]|\xe2[\x82-\xbf][\x80-\xbf]|\xef[\x80-\xba\xbc-\xbf][\x80-\xbf]|\xf0[\x80-\xbf][\x80-\xbf][\x80-\xbf])(\xe2\x80[\x8d]){1,12}(\xe2\x80[\x8b\x8c]|\xe2\x81[\xa0-\xa4]|\xef\xbb\xbf)(\xe2\x80[\x8b-\x8d]|\xe2\x81[\xa0-\xa4]|\xef\xbb\xbf){20,21}/
    condition:
        any of them
}

rule zero_width_split_word
{
    meta:
        title = "Word split by zero-width characters"
        description = "Matches a word with a zero-width character after every letter, a way to slip words past a filter."
        category = "hidden-content"
        severity = "medium"
        confidence = "0.8"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0068, CWE-451"
        remediation = "Decode the hidden characters, read the result, and strip them from the corpus."
        references = "https://unicode.org/reports/tr36/, https://atlas.mitre.org/techniques/AML.T0068"
        false_alarms = "Web pages that allow a line break after each letter."
    strings:
        $s1 = /(^|[^\x80-\xbf\x1e])[A-Za-z](\xe2\x80[\x8b-\x8d]|\xe2\x81[\xa0-\xa4]|\xef\xbb\xbf)([A-Za-z](\xe2\x80[\x8b-\x8d]|\xe2\x81[\xa0-\xa4]|\xef\xbb\xbf)){3,60}[A-Za-z]/
    condition:
        any of them
}

rule bidi_trojan_source
{
    meta:
        title = "Reordered source code"
        description = "Matches bidirectional override and isolate characters combined in one line so that code reads differently from how it runs (Trojan Source)."
        category = "hidden-content"
        severity = "high"
        confidence = "0.85"
        taxonomy = "CWE-1007, CWE-451"
        remediation = "Decode the hidden characters, read the result, and strip them from the corpus."
        references = "https://trojansource.codes/"
        false_alarms = "Test files of linters."
    strings:
        $s1 = /\xe2\x80[\xad\xae][^\x1e\n]{0,80}\xe2\x81[\xa6-\xa8][^\x1e\n]{0,120}/
        $s2 = /\xe2\x81[\xa6\xa7][^\x1e\n]{0,40}(\/\/|\/\*|\*\/|#|return|if\s?\()[^\x1e\n]{0,80}\xe2\x81[\xa6\xa7]/
    condition:
        any of them
}

rule bidi_override
{
    meta:
        title = "Right-to-left override"
        description = "Matches a right-to-left override (U+202E) before Latin text, which displays the text in a different order from the one in which it is stored."
        category = "hidden-content"
        severity = "medium"
        confidence = "0.75"
        taxonomy = "CWE-451, CWE-1007"
        remediation = "Decode the hidden characters, read the result, and strip them from the corpus."
        references = "https://unicode.org/reports/tr36/, https://atlas.mitre.org/techniques/AML.T0068"
        false_alarms = "Right-to-left text from old editors, and Unicode test files."
    strings:
        $s1 = /\xe2\x80\xae[\s!-\/:-@\[-`{-~]{0,12}[A-Za-z0-9]/
    condition:
        any of them
}

rule bidi_file_name
{
    meta:
        title = "File name with a right-to-left override"
        description = "Matches a file name whose real extension (exe, js, lnk and so on) is disguised by a right-to-left override."
        category = "malware"
        severity = "high"
        confidence = "0.9"
        taxonomy = "CWE-451, CWE-646"
        remediation = "Decode the hidden characters, read the result, and strip them from the corpus."
        references = "https://unicode.org/reports/tr36/, https://atlas.mitre.org/techniques/AML.T0068"
        false_alarms = "Lists of attack samples."
    strings:
        $s1 = /\xe2\x80\xae[^\x1e\n\s]{1,40}\.(exe|scr|com|bat|cmd|js|jse|vbs|lnk|hta|ps1|pif)\b/
    condition:
        any of them
}

rule variation_selector_run
{
    meta:
        title = "Data hidden in variation selectors"
        description = "Matches runs of variation selectors, each of which can carry one hidden byte after an ordinary letter or emoji."
        category = "hidden-content"
        severity = "high"
        confidence = "0.9"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0068, CWE-451"
        remediation = "Decode the hidden characters, read the result, and strip them from the corpus."
        references = "https://unicode.org/reports/tr36/, https://atlas.mitre.org/techniques/AML.T0068"
        false_alarms = "Test files of Unicode libraries."
    strings:
        $s1 = /(^|[\x00-\x1d\x1f-\x7f]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xee][\x80-\xbf][\x80-\xbf]|\xef[\x80-\xb7\xb9-\xbf][\x80-\xbf])(\xf3\xa0[\x84-\x87][\x80-\xbf]|\xef\xb8[\x80-\x8f]){4,5}/
        $s2 = /\xf0[\x80-\xbf][\x80-\xbf][\x80-\xbf](\xf3\xa0[\x84-\x87][\x80-\xbf]|\xef\xb8[\x80-\x8f]){4,5}/
    condition:
        any of them
}

rule hangul_filler_run
{
    meta:
        title = "Run of invisible Hangul fillers"
        description = "Matches runs of Hangul filler characters, blank letters that can encode hidden text or code."
        category = "hidden-content"
        severity = "medium"
        confidence = "0.75"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0068, CWE-451"
        remediation = "Decode the hidden characters, read the result, and strip them from the corpus."
        references = "https://unicode.org/reports/tr36/, https://atlas.mitre.org/techniques/AML.T0068"
        false_alarms = "Blank names in chat logs."
    strings:
        $s1 = /(^|[\x00-\x1d\x1f-\x7f]|[^\x1e\x85][\xa0-\xa3\xa5-\xbf]|[\x80-\x9f])(\xe3\x85\xa4|\xef\xbe\xa0){8,9}/
    condition:
        any of them
}

rule ansi_concealed_text
{
    meta:
        title = "Text concealed by a terminal escape code"
        description = "Matches the terminal escape code for concealed text, which hides an instruction from a person looking at the terminal."
        category = "hidden-content"
        severity = "medium"
        confidence = "0.7"
        taxonomy = "OWASP-LLM01:2025, ATLAS:AML.T0068, CWE-150"
        remediation = "Decode the hidden characters, read the result, and strip them from the corpus."
        references = "https://unicode.org/reports/tr36/, https://atlas.mitre.org/techniques/AML.T0068"
        false_alarms = "Documentation for terminals and terminal color libraries."
    strings:
        $s1 = /\x1b\[(0;|[0-9];)?8m[^\x1e\x1b\n]{4,200}/
        $s2 = /(\\x1b|\\033|\\u001b|\\e)\[8m[^\x1e\n\\]{4,160}/
    condition:
        any of them
}
