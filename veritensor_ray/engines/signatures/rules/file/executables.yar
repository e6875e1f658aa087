// Disguised executables: programs and scripts with the file extension of an image, document, data or text file.

rule disguised_pe
{
    meta:
        title = "Windows program in disguise"
        description = "Matches a Windows program (PE) with the file extension of an image, document, data or text file."
        category = "format-mismatch"
        severity = "critical"
        confidence = "0.97"
        taxonomy = "CWE-646, CWE-434, CWE-506, ATLAS:AML.T0011"
        remediation = "Do not open the file. Remove it, and ask who added it to the corpus."
        references = "https://cwe.mitre.org/data/definitions/646.html, https://cwe.mitre.org/data/definitions/434.html"
        false_alarms = "None known."
    condition:
        offset == 0 and uint16(0) == 0x5A4D and uint32(0x3C) < 0x10000 and uint32(uint32(0x3C)) == 0x00004550 and
        extension matches /^\.(png|jpe?g|jfif|gif|bmp|webp|tiff?|ico|heic|avif|svg|pdf|docx?|xlsx?|pptx?|odt|ods|odp|rtf|epub|djvu|eml|msg|mp3|mp4|wav|ogg|flac|avi|mov|mkv|webm|m4a|aac|txt|md|rst|csv|tsv|json|jsonl|ndjson|xml|ya?ml|toml|ini|log|html?|ipynb|tex|srt|parquet|arrow|feather|avro|orc|h5|hdf5|npy|npz|pkl|pickle|pt|pth|ckpt|onnx|safetensors|gguf|ggml|tflite|pb|keras|joblib|mat|sqlite|db|zip|gz|tar|7z|bz2|xz|zst|ttf|otf|woff2?)$/
}

rule disguised_elf
{
    meta:
        title = "Linux program in disguise"
        description = "Matches a Linux program or library (ELF) with the file extension of an image, document, data or text file."
        category = "format-mismatch"
        severity = "critical"
        confidence = "0.97"
        taxonomy = "CWE-646, CWE-434, CWE-506, ATLAS:AML.T0011"
        remediation = "Do not open the file. Remove it, and ask who added it to the corpus."
        references = "https://cwe.mitre.org/data/definitions/646.html, https://cwe.mitre.org/data/definitions/434.html"
        false_alarms = "None known."
    condition:
        offset == 0 and uint32(0) == 0x464C457F and uint8(4) >= 1 and uint8(4) <= 2 and uint8(5) >= 1 and uint8(5) <= 2 and
        extension matches /^\.(png|jpe?g|jfif|gif|bmp|webp|tiff?|ico|heic|avif|svg|pdf|docx?|xlsx?|pptx?|odt|ods|odp|rtf|epub|djvu|eml|msg|mp3|mp4|wav|ogg|flac|avi|mov|mkv|webm|m4a|aac|txt|md|rst|csv|tsv|json|jsonl|ndjson|xml|ya?ml|toml|ini|log|html?|ipynb|tex|srt|parquet|arrow|feather|avro|orc|h5|hdf5|npy|npz|pkl|pickle|pt|pth|ckpt|onnx|safetensors|gguf|ggml|tflite|pb|keras|joblib|mat|sqlite|db|zip|gz|tar|7z|bz2|xz|zst|ttf|otf|woff2?)$/
}

rule disguised_macho
{
    meta:
        title = "macOS program in disguise"
        description = "Matches a macOS program or library (Mach-O, thin or universal) with the file extension of an image, document, data or text file."
        category = "format-mismatch"
        severity = "critical"
        confidence = "0.95"
        taxonomy = "CWE-646, CWE-434, CWE-506, ATLAS:AML.T0011"
        remediation = "Do not open the file. Remove it, and ask who added it to the corpus."
        references = "https://cwe.mitre.org/data/definitions/646.html, https://cwe.mitre.org/data/definitions/434.html"
        false_alarms = "None known."
    condition:
        offset == 0 and (
            uint32(0) == 0xFEEDFACE or uint32(0) == 0xFEEDFACF or uint32be(0) == 0xFEEDFACE or uint32be(0) == 0xFEEDFACF or
            (uint32be(0) == 0xCAFEBABE and uint32be(4) > 0 and uint32be(4) < 20)
        ) and
        extension matches /^\.(png|jpe?g|jfif|gif|bmp|webp|tiff?|ico|heic|avif|svg|pdf|docx?|xlsx?|pptx?|odt|ods|odp|rtf|epub|djvu|eml|msg|mp3|mp4|wav|ogg|flac|avi|mov|mkv|webm|m4a|aac|txt|md|rst|csv|tsv|json|jsonl|ndjson|xml|ya?ml|toml|ini|log|html?|ipynb|tex|srt|parquet|arrow|feather|avro|orc|h5|hdf5|npy|npz|pkl|pickle|pt|pth|ckpt|onnx|safetensors|gguf|ggml|tflite|pb|keras|joblib|mat|sqlite|db|zip|gz|tar|7z|bz2|xz|zst|ttf|otf|woff2?)$/
}

rule disguised_java_class
{
    meta:
        title = "Java class in disguise"
        description = "Matches a compiled Java class with the file extension of an image, document, data or text file."
        category = "format-mismatch"
        severity = "high"
        confidence = "0.95"
        taxonomy = "CWE-646, CWE-434, CWE-506, ATLAS:AML.T0011"
        remediation = "Do not open the file. Remove it, and ask who added it to the corpus."
        references = "https://cwe.mitre.org/data/definitions/646.html, https://cwe.mitre.org/data/definitions/434.html"
        false_alarms = "None known."
    condition:
        offset == 0 and uint32be(0) == 0xCAFEBABE and uint16be(6) >= 45 and uint16be(6) <= 80 and
        extension matches /^\.(png|jpe?g|jfif|gif|bmp|webp|tiff?|ico|heic|avif|svg|pdf|docx?|xlsx?|pptx?|odt|ods|odp|rtf|epub|djvu|eml|msg|mp3|mp4|wav|ogg|flac|avi|mov|mkv|webm|m4a|aac|txt|md|rst|csv|tsv|json|jsonl|ndjson|xml|ya?ml|toml|ini|log|html?|ipynb|tex|srt|parquet|arrow|feather|avro|orc|h5|hdf5|npy|npz|pkl|pickle|pt|pth|ckpt|onnx|safetensors|gguf|ggml|tflite|pb|keras|joblib|mat|sqlite|db|zip|gz|tar|7z|bz2|xz|zst|ttf|otf|woff2?)$/
}

rule disguised_dex
{
    meta:
        title = "Android program in disguise"
        description = "Matches Android bytecode (DEX) with the file extension of an image, document, data or text file."
        category = "format-mismatch"
        severity = "high"
        confidence = "0.95"
        taxonomy = "CWE-646, CWE-434, CWE-506, ATLAS:AML.T0011"
        remediation = "Do not open the file. Remove it, and ask who added it to the corpus."
        references = "https://cwe.mitre.org/data/definitions/646.html, https://cwe.mitre.org/data/definitions/434.html"
        false_alarms = "None known."
    condition:
        offset == 0 and uint32(0) == 0x0A786564 and uint16(4) == 0x3330 and uint8(7) == 0 and
        extension matches /^\.(png|jpe?g|jfif|gif|bmp|webp|tiff?|ico|heic|avif|svg|pdf|docx?|xlsx?|pptx?|odt|ods|odp|rtf|epub|djvu|eml|msg|mp3|mp4|wav|ogg|flac|avi|mov|mkv|webm|m4a|aac|txt|md|rst|csv|tsv|json|jsonl|ndjson|xml|ya?ml|toml|ini|log|html?|ipynb|tex|srt|parquet|arrow|feather|avro|orc|h5|hdf5|npy|npz|pkl|pickle|pt|pth|ckpt|onnx|safetensors|gguf|ggml|tflite|pb|keras|joblib|mat|sqlite|db|zip|gz|tar|7z|bz2|xz|zst|ttf|otf|woff2?)$/
}

rule disguised_lnk
{
    meta:
        title = "Windows shortcut in disguise"
        description = "Matches a Windows shortcut with the file extension of an image, document, data or text file. A shortcut can start any command."
        category = "format-mismatch"
        severity = "high"
        confidence = "0.95"
        taxonomy = "CWE-646, CWE-434, CWE-506, ATLAS:AML.T0011"
        remediation = "Do not open the file. Remove it, and ask who added it to the corpus."
        references = "https://cwe.mitre.org/data/definitions/646.html, https://cwe.mitre.org/data/definitions/434.html"
        false_alarms = "None known."
    condition:
        offset == 0 and uint32(0) == 0x0000004C and uint32(4) == 0x00021401 and uint32(8) == 0 and uint32(12) == 0x000000C0 and
        extension matches /^\.(png|jpe?g|jfif|gif|bmp|webp|tiff?|ico|heic|avif|svg|pdf|docx?|xlsx?|pptx?|odt|ods|odp|rtf|epub|djvu|eml|msg|mp3|mp4|wav|ogg|flac|avi|mov|mkv|webm|m4a|aac|txt|md|rst|csv|tsv|json|jsonl|ndjson|xml|ya?ml|toml|ini|log|html?|ipynb|tex|srt|parquet|arrow|feather|avro|orc|h5|hdf5|npy|npz|pkl|pickle|pt|pth|ckpt|onnx|safetensors|gguf|ggml|tflite|pb|keras|joblib|mat|sqlite|db|zip|gz|tar|7z|bz2|xz|zst|ttf|otf|woff2?)$/
}

rule disguised_msi
{
    meta:
        title = "Windows installer in disguise"
        description = "Matches a Windows installer package with the file extension of an image, document, data or text file."
        category = "format-mismatch"
        severity = "high"
        confidence = "0.9"
        taxonomy = "CWE-646, CWE-434, CWE-506, ATLAS:AML.T0011"
        remediation = "Do not open the file. Remove it, and ask who added it to the corpus."
        references = "https://cwe.mitre.org/data/definitions/646.html, https://cwe.mitre.org/data/definitions/434.html"
        false_alarms = "None known."
    strings:
        $clsid = { 84 10 0C 00 00 00 00 00 C0 00 00 00 00 00 00 46 }
    condition:
        offset == 0 and uint32be(0) == 0xD0CF11E0 and $clsid and
        extension matches /^\.(png|jpe?g|jfif|gif|bmp|webp|tiff?|ico|heic|avif|svg|pdf|docx?|xlsx?|pptx?|odt|ods|odp|rtf|epub|djvu|eml|msg|mp3|mp4|wav|ogg|flac|avi|mov|mkv|webm|m4a|aac|txt|md|rst|csv|tsv|json|jsonl|ndjson|xml|ya?ml|toml|ini|log|html?|ipynb|tex|srt|parquet|arrow|feather|avro|orc|h5|hdf5|npy|npz|pkl|pickle|pt|pth|ckpt|onnx|safetensors|gguf|ggml|tflite|pb|keras|joblib|mat|sqlite|db|zip|gz|tar|7z|bz2|xz|zst|ttf|otf|woff2?)$/
}

rule disguised_script
{
    meta:
        title = "Script in disguise"
        description = "Matches a file that begins with a #! interpreter line, batch code or PHP code but has the extension of an image, document, media or data file."
        category = "format-mismatch"
        severity = "high"
        confidence = "0.9"
        taxonomy = "CWE-646, CWE-434, CWE-506, ATLAS:AML.T0011"
        remediation = "Do not open the file. Remove it, and ask who added it to the corpus."
        references = "https://cwe.mitre.org/data/definitions/646.html, https://cwe.mitre.org/data/definitions/434.html"
        false_alarms = "Test fixtures."
    strings:
        $shebang = /#!\s?\/[\w\/.-]{1,40}(sh|bash|zsh|dash|python[0-9.]*|perl|ruby|node|php|env\s+[\w.-]{1,20})\s/
        $batch = /@echo\s+off\s/i
        $php = "<?php" nocase
    condition:
        offset == 0 and ($shebang at 0 or $batch at 0 or $php at 0) and
        extension matches /^\.(png|jpe?g|jfif|gif|bmp|webp|tiff?|ico|heic|avif|svg|pdf|docx?|xlsx?|pptx?|odt|ods|odp|rtf|epub|djvu|eml|msg|mp3|mp4|wav|ogg|flac|avi|mov|mkv|webm|m4a|aac|parquet|arrow|feather|avro|orc|h5|hdf5|npy|npz|pkl|pickle|pt|pth|ckpt|onnx|safetensors|gguf|ggml|tflite|pb|keras|joblib|mat|sqlite|db|zip|gz|tar|7z|bz2|xz|zst|ttf|otf|woff2?)$/
}

rule script_under_text_ending
{
    meta:
        title = "Script with the extension of a text file"
        description = "Matches a file that begins with a #! interpreter line but has the extension of a text or data-exchange file. It runs if someone makes it executable."
        category = "format-mismatch"
        severity = "low"
        confidence = "0.6"
        taxonomy = "CWE-646, CWE-434, CWE-506, ATLAS:AML.T0011"
        remediation = "Do not open the file. Remove it, and ask who added it to the corpus."
        references = "https://cwe.mitre.org/data/definitions/646.html, https://cwe.mitre.org/data/definitions/434.html"
        false_alarms = "Scripts kept as documentation samples."
    strings:
        $shebang = /#!\s?\/[\w\/.-]{1,40}(sh|bash|zsh|dash|python[0-9.]*|perl|ruby|node|php|env\s+[\w.-]{1,20})\s/
    condition:
        offset == 0 and $shebang at 0 and
        extension matches /^\.(txt|md|rst|csv|tsv|json|jsonl|ndjson|xml|ya?ml|toml|ini|log|html?|ipynb|tex|srt)$/
}

rule disguised_python_bytecode
{
    meta:
        title = "Compiled Python in disguise"
        description = "Matches compiled Python bytecode with the file extension of an image, document, data or text file."
        category = "format-mismatch"
        severity = "medium"
        confidence = "0.8"
        taxonomy = "CWE-646, CWE-434, CWE-506, ATLAS:AML.T0011"
        remediation = "Do not open the file. Remove it, and ask who added it to the corpus."
        references = "https://cwe.mitre.org/data/definitions/646.html, https://cwe.mitre.org/data/definitions/434.html"
        false_alarms = "None known."
    condition:
        offset == 0 and uint16(2) == 0x0A0D and uint16(0) >= 3360 and uint16(0) <= 3700 and uint32(4) <= 3 and (uint8(16) == 0xE3 or uint8(16) == 0x63) and
        extension matches /^\.(png|jpe?g|jfif|gif|bmp|webp|tiff?|ico|heic|avif|svg|pdf|docx?|xlsx?|pptx?|odt|ods|odp|rtf|epub|djvu|eml|msg|mp3|mp4|wav|ogg|flac|avi|mov|mkv|webm|m4a|aac|txt|md|rst|csv|tsv|json|jsonl|ndjson|xml|ya?ml|toml|ini|log|html?|ipynb|tex|srt|parquet|arrow|feather|avro|orc|h5|hdf5|npy|npz|pkl|pickle|pt|pth|ckpt|onnx|safetensors|gguf|ggml|tflite|pb|keras|joblib|mat|sqlite|db|zip|gz|tar|7z|bz2|xz|zst|ttf|otf|woff2?)$/
}

rule disguised_wasm
{
    meta:
        title = "WebAssembly in disguise"
        description = "Matches a WebAssembly module with the file extension of an image, document, data or text file."
        category = "format-mismatch"
        severity = "medium"
        confidence = "0.85"
        taxonomy = "CWE-646, CWE-434, CWE-506, ATLAS:AML.T0011"
        remediation = "Do not open the file. Remove it, and ask who added it to the corpus."
        references = "https://cwe.mitre.org/data/definitions/646.html, https://cwe.mitre.org/data/definitions/434.html"
        false_alarms = "None known."
    condition:
        offset == 0 and uint32be(0) == 0x0061736D and uint32(4) == 1 and
        extension matches /^\.(png|jpe?g|jfif|gif|bmp|webp|tiff?|ico|heic|avif|svg|pdf|docx?|xlsx?|pptx?|odt|ods|odp|rtf|epub|djvu|eml|msg|mp3|mp4|wav|ogg|flac|avi|mov|mkv|webm|m4a|aac|txt|md|rst|csv|tsv|json|jsonl|ndjson|xml|ya?ml|toml|ini|log|html?|ipynb|tex|srt|parquet|arrow|feather|avro|orc|h5|hdf5|npy|npz|pkl|pickle|pt|pth|ckpt|onnx|safetensors|gguf|ggml|tflite|pb|keras|joblib|mat|sqlite|db|zip|gz|tar|7z|bz2|xz|zst|ttf|otf|woff2?)$/
}
