"""Turns readers' notices into findings: macros, links, hidden parts and other contents of documents and archives besides text."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pyarrow as pa

from veritensor_ray.core.config import Settings, Severity
from veritensor_ray.engines.base import Category, FileInfo, Hit, Needs, Rule
from veritensor_ray.models.model_store import ModelStore


def _rule(notice: str, title: str, description: str, category: Category, severity: Severity, remediation: str, *taxonomy: str) -> Rule:
    return Rule(f"structure.{notice}", title, description, category, severity, remediation, taxonomy)


# One rule per notice: its name, title, description, category, severity, remediation and taxonomy.
RULES = (
    _rule(
        "macro",
        "Macro in a document",
        "The document contains program code (VBA, Basic, Excel 4.0 macros) that an office program may run.",
        "malware",
        "medium",
        "Read the code, and save the document without macros.",
        "CWE-94",
    ),
    _rule(
        "trailing-data",
        "Data after the end of an image",
        "The file continues after the end of its image. Viewers do not show this data, but other programs may read it.",
        "hidden-content",
        "low",
        "Inspect the appended data. Saving the image again removes it.",
        "CWE-434",
    ),
    _rule(
        "unsafe-path",
        "Archive member whose path leaves the archive",
        "The member's name leads out of the folder into which the archive is extracted (`..`, a drive, a network share). A careless program writes there.",
        "archive-hazard",
        "high",
        "Do not extract it with a program that follows such names. Find out who made the archive.",
        "CWE-22",
    ),
    _rule(
        "absolute-path",
        "Archive member with an absolute path",
        "The name begins at the root of a file system. Most programs drop the slash, but some write there.",
        "archive-hazard",
        "medium",
        "Extract it only with a program that stays inside the target folder.",
        "CWE-22",
    ),
    _rule(
        "deceptive-name",
        "Archive member with a deceptive name",
        "The name contains control characters or text direction marks, so that it is displayed as a different name.",
        "archive-hazard",
        "medium",
        "Inspect the name's characters before you trust its extension.",
        "CWE-451",
    ),
    _rule(
        "reserved-name",
        "Archive member named after a device",
        "Windows treats the name (`con`, `aux`, `nul`) as a device.",
        "archive-hazard",
        "low",
        "Rename it if it has to be extracted on Windows.",
        "CWE-67",
    ),
    _rule(
        "unsafe-link",
        "Archive link that leads out of the archive",
        "Extracting the archive creates a link to a file outside it, which can then be read or overwritten through the link.",
        "archive-hazard",
        "high",
        "Do not extract links from this archive. Check where the link leads.",
        "CWE-59",
    ),
    _rule(
        "absolute-link",
        "Archive link to an absolute path",
        "Such links are normal in images of a root file system, and serve no purpose anywhere else.",
        "archive-hazard",
        "low",
        "Check where the link leads.",
        "CWE-59",
    ),
    _rule(
        "device-file",
        "Device or pipe in an archive",
        "If a privileged user extracts it, it becomes a device of that machine.",
        "archive-hazard",
        "medium",
        "Do not extract it as root.",
        "CWE-59",
    ),
    _rule(
        "encrypted-member",
        "Encrypted files in an archive",
        "Their content cannot be read, or audited, without the password.",
        "archive-hazard",
        "medium",
        "Have the files decrypted before they enter the corpus.",
        "CWE-311",
    ),
    _rule(
        "tampered-archive",
        "Archive that contradicts itself",
        "The archive's directory and its members disagree about a name, size, method or encryption. Programs read such archives differently, so a scanner may see a different file from the one a loader sees.",
        "archive-hazard",
        "high",
        "Do not use it. Ask for a new copy and compare.",
        "CWE-436",
    ),
    _rule(
        "bad-checksum",
        "Wrong checksum in an archive",
        "A member's data does not match its checksum: it was damaged, or changed by hand. Loaders that do not verify checksums read it anyway.",
        "archive-hazard",
        "medium",
        "Ask for a new copy and compare.",
        "CWE-354",
    ),
    _rule(
        "duplicate-member",
        "Two archive members with the same name",
        "Two different files have the same name. Which of them is read depends on the program.",
        "archive-hazard",
        "medium",
        "Compare the two, and rebuild the archive with the right one.",
        "CWE-436",
    ),
    _rule(
        "ghost-member",
        "Archive member missing from the directory",
        "The archive contains a file that its directory does not list. Programs that rely on the directory do not show it; those that read from the front do.",
        "archive-hazard",
        "high",
        "Inspect the file, and rebuild the archive without it.",
        "CWE-436",
    ),
    _rule(
        "hidden-bytes",
        "Bytes in an archive that belong to no member",
        "There is data between members, after the end of a member or after the end of the archive.",
        "archive-hazard",
        "low",
        "Inspect the bytes, and rebuild the archive without them.",
        "CWE-506",
    ),
    _rule(
        "archive-prefix",
        "Archive preceded by other data",
        "Other data precedes the archive, as in a self-extracting program: the file is two things at once.",
        "archive-hazard",
        "low",
        "Inspect both parts, and store them as two files.",
        "CWE-436",
    ),
    _rule(
        "archive-bomb",
        "Archive bomb",
        "Members are compressed at an extreme ratio, or many of them point to the same compressed bytes, so that a small archive expands to a huge amount of data.",
        "archive-hazard",
        "high",
        "Do not extract it.",
        "CWE-409",
    ),
    _rule(
        "pdf-javascript",
        "Script in a PDF",
        "The document contains JavaScript that some viewers run when it is opened, printed or filled in. Form field formulas are not reported.",
        "malware",
        "medium",
        "Read the script, and save the document without it.",
        "CWE-94",
    ),
    _rule(
        "pdf-launch",
        "PDF that starts a program",
        "An action in the document starts a program or opens a file on the reader's machine.",
        "malware",
        "high",
        "Do not open it in a viewer that follows such actions. Save it without them.",
        "CWE-78",
    ),
    _rule(
        "pdf-form-data",
        "PDF that sends or loads form data",
        "An action in the document submits the form data to an address, or fills in the form from a file.",
        "exfiltration",
        "low",
        "Check the address.",
        "CWE-201",
    ),
    _rule(
        "pdf-other-document",
        "PDF that opens another document",
        "An action leads to another file: on the machine, on a network share or inside this document.",
        "exfiltration",
        "low",
        "Check where it leads. Opening a file on a share reveals your identity to the share's owner.",
        "CWE-610",
    ),
    _rule(
        "pdf-media",
        "Media in a PDF",
        "The document contains a sound, a video, a 3D model or another program's content, which viewers hand to other software.",
        "hidden-content",
        "info",
        "Check what it is, and save the document without it.",
        "CWE-829",
    ),
    _rule(
        "default-password",
        "Document encrypted with the default password",
        "The document is encrypted with the password that Office tries by default. It opens without a prompt, while scanners see nothing.",
        "hidden-content",
        "medium",
        "Review the findings in it, and find out why it was encrypted this way.",
        "CWE-656",
    ),
    _rule(
        "encrypted-document",
        "Encrypted document",
        "The document cannot be read, or audited, without the password.",
        "hidden-content",
        "medium",
        "Have it decrypted before it enters the corpus.",
        "CWE-311",
    ),
    _rule(
        "macro-suspicious",
        "Macro that runs automatically and reaches outside its document",
        "The document contains code that runs when it is opened or closed, and that code starts programs, downloads something or hides its calls.",
        "malware",
        "high",
        "Do not open it in an office program. Find out who made it.",
        "CWE-94",
    ),
    _rule(
        "macro-call",
        "Document that calls a macro",
        "An event in the document calls a macro by name: one that comes with the office program, or one that must already be installed.",
        "malware",
        "low",
        "Check which macro it names.",
        "CWE-94",
    ),
    _rule(
        "dde",
        "Document that starts a program (DDE)",
        "When the document is opened and its links are updated, a field, formula or link (DDE) starts a program and passes words of the document to it.",
        "malware",
        "high",
        "Do not open it in an office program. Delete the field or formula.",
        "CWE-74",
    ),
    _rule(
        "formula-injection",
        "Formula injection",
        "A cell contains a formula that, once a spreadsheet program opens the table, fetches an address, sends the content of other cells or calls a system function.",
        "exfiltration",
        "medium",
        "Delete the formula, or put an apostrophe in front of it before anyone opens the table in a spreadsheet program.",
        "CWE-1236",
    ),
    _rule(
        "formula-link",
        "Link that carries data from its sheet",
        "A formula puts the content of cells into the address of a link or image. Anyone who follows it sends that content along.",
        "exfiltration",
        "low",
        "Check where it leads and which cells it includes.",
        "CWE-1236",
    ),
    _rule(
        "remote-template",
        "Document with a remote template or object",
        "Office programs fetch a remote template, frame or linked object as soon as the document is opened, and run the code in it.",
        "malware",
        "high",
        "Do not open it in an office program. Find out who made it.",
        "CWE-829",
    ),
    _rule(
        "external-content",
        "Document that loads its content from elsewhere",
        "When the document is opened, or when somebody clicks in it, a field, frame or button loads text from a network address or runs a command.",
        "exfiltration",
        "medium",
        "Check where it leads. The text audited here is not the text a reader will see.",
        "CWE-829",
    ),
    _rule(
        "external-relation",
        "Document with external references",
        "The document refers to external images, data or other documents that an office program may fetch. Fetching them reveals your identity to their owner.",
        "exfiltration",
        "low",
        "Check where they lead.",
        "CWE-610",
    ),
    _rule(
        "embedded-program",
        "Program in a document",
        "The document embeds, or links to, a file of a type that runs when it is opened.",
        "malware",
        "high",
        "Do not open it. Find out who made the document.",
        "CWE-434",
    ),
    _rule(
        "xml-dtd",
        "Entity declarations in a document's XML",
        "Part of the document declares XML entities. No office program writes these. They can make a careless program read other files or run out of memory.",
        "hidden-content",
        "medium",
        "Do not use it with programs that expand entities.",
        "CWE-611",
        "CWE-776",
    ),
    _rule(
        "xml-external-entity",
        "External entity in XML",
        "The document type declares an entity whose content is another file or address. A program that expands the entity reads or fetches it.",
        "exfiltration",
        "low",
        "Disable external entities before you parse the file, and check what the entity refers to.",
        "CWE-611",
    ),
    _rule(
        "xml-entity-bomb",
        "XML entity bomb",
        "The document type declares entities that consist of many references to others. Expanding a few of them fills the memory.",
        "archive-hazard",
        "medium",
        "Do not parse the file with a program that expands entities.",
        "CWE-776",
    ),
    _rule(
        "latex-shell-escape",
        "LaTeX command that reaches the system",
        "When the source is typeset, it starts a program or writes to an external file.",
        "malware",
        "medium",
        "Read the command, and typeset without shell escape.",
        "CWE-78",
    ),
)


class Structure:
    """Turns each text with a notice into a hit that covers the whole text."""

    name = "structure"
    version = "1"
    needs = Needs()

    def __init__(self, settings: Settings) -> None:
        self._known = {rule.id for rule in RULES}

    def applies(self, about: FileInfo) -> bool:
        """Return True for every file."""
        return True

    def load(self, models: ModelStore) -> None:
        """Do nothing: this engine has no model."""

    def rules(self) -> Sequence[Rule]:
        """Return one rule for each notice."""
        return RULES

    def fingerprint(self) -> str:
        """Return a digest of the rules."""
        return hashlib.sha256(repr((self.version, RULES)).encode()).hexdigest()[:16]

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        """Return one hit for each text with a notice. Readers keep these texts short, so none is cut."""
        notices = texts.column("notice")
        if notices.null_count == len(notices):
            return []
        found = []
        for row, notice in enumerate(notices.to_pylist()):
            if notice is not None and f"structure.{notice}" in self._known:
                found.append(Hit(f"structure.{notice}", 0, len(texts.column("text")[row].as_py() or ""), row))
        return found
