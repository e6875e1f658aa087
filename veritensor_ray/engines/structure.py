"""Findings that a reader's notices are: what a document or an archive has in it besides text; it knows no format."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pyarrow as pa

from veritensor_ray.config import Settings
from veritensor_ray.engines.base import FileInfo, Hit, Needs, Rule
from veritensor_ray.models.model_store import ModelStore


def _rule(notice: str, title: str, description: str, category: str, severity: str, remediation: str, *taxonomy: str) -> Rule:
    return Rule(f"structure.{notice}", title, description, category, severity, remediation, taxonomy)


# A line a notice: its name, title, what it means, category, severity, what to do, taxonomy.
RULES = (
    _rule(
        "macro",
        "Macro in a document",
        "The document carries program code (VBA, Basic) that an office program may run.",
        "malware",
        "medium",
        "Read the code; save the document without macros.",
        "CWE-94",
    ),
    _rule(
        "trailing-data",
        "Data behind the end of a picture",
        "The file goes on behind the end of its picture: viewers do not show what is there, other programs may read it.",
        "hidden-content",
        "low",
        "Look at what was appended; save the picture again to be rid of it.",
        "CWE-434",
    ),
    _rule(
        "unsafe-path",
        "Archive member outside of its archive",
        "The name leads out of the folder that the archive is extracted to (`..`, a drive, a network share): a careless program writes there.",
        "archive-hazard",
        "high",
        "Do not extract it with programs that follow such names; find out who made the archive.",
        "CWE-22",
    ),
    _rule(
        "absolute-path",
        "Archive member with an absolute path",
        "The name begins at the root of a file system. Most programs drop the slash, some write there.",
        "archive-hazard",
        "medium",
        "Extract it only with a program that keeps inside the target folder.",
        "CWE-22",
    ),
    _rule(
        "deceptive-name",
        "Archive member whose name shows otherwise than it is",
        "The name has control characters or marks that turn the direction of text, so that it is displayed as another one.",
        "archive-hazard",
        "medium",
        "Look at the name's characters before you believe its ending.",
        "CWE-451",
    ),
    _rule(
        "reserved-name",
        "Archive member named like a device",
        "Windows takes the name (`con`, `aux`, `nul`) for a device.",
        "archive-hazard",
        "low",
        "Rename it where it has to be extracted on Windows.",
        "CWE-67",
    ),
    _rule(
        "unsafe-link",
        "Link in an archive that leads out of it",
        "Whoever extracts the archive gets a link to a file of their own, to be read or overwritten through it.",
        "archive-hazard",
        "high",
        "Do not extract links from it; look at what the link leads to.",
        "CWE-59",
    ),
    _rule(
        "absolute-link",
        "Link in an archive to an absolute path",
        "Usual in images of a root file system, and of no use anywhere else.",
        "archive-hazard",
        "low",
        "Look at what the link leads to.",
        "CWE-59",
    ),
    _rule(
        "device-file",
        "Device or pipe in an archive",
        "Extracted by a privileged user it is a device of that machine.",
        "archive-hazard",
        "medium",
        "Do not extract it as root.",
        "CWE-59",
    ),
    _rule(
        "encrypted-member",
        "Encrypted files in an archive",
        "Nobody without the password, this audit included, knows what they hold.",
        "archive-hazard",
        "medium",
        "Have them decrypted before they enter the corpus.",
        "CWE-311",
    ),
    _rule(
        "tampered-archive",
        "Archive that contradicts itself",
        "Its directory and what it describes differ in name, size, method or encryption: programs differ in what they read, and a scanner may see another file than a loader.",
        "archive-hazard",
        "high",
        "Do not use it; ask for a new copy and compare.",
        "CWE-436",
    ),
    _rule(
        "bad-checksum",
        "Wrong checksum in an archive",
        "The data of a member is not what its checksum was computed from: it was damaged, or changed by hand. Loaders that do not check it read it all the same.",
        "archive-hazard",
        "medium",
        "Ask for a new copy and compare.",
        "CWE-354",
    ),
    _rule(
        "duplicate-member",
        "Two archive members of one name",
        "Two different files have one name: which of them is read depends on the program.",
        "archive-hazard",
        "medium",
        "Compare both; rebuild the archive with the right one.",
        "CWE-436",
    ),
    _rule(
        "ghost-member",
        "File in an archive that its directory does not list",
        "The file is in the archive, and programs that go by the directory do not show it; those that read from the front do.",
        "archive-hazard",
        "high",
        "Look at the file; rebuild the archive without it.",
        "CWE-436",
    ),
    _rule(
        "hidden-bytes",
        "Bytes in an archive that are of no member",
        "There is data between the members, behind the end of one or behind the end of the archive.",
        "archive-hazard",
        "low",
        "Look at the bytes; rebuild the archive without them.",
        "CWE-506",
    ),
    _rule(
        "archive-prefix",
        "Archive behind something else",
        "Something stands in front of the archive, as in a self-extracting program: the file is two things at once.",
        "archive-hazard",
        "low",
        "Read both; keep them as two files.",
        "CWE-436",
    ),
    _rule(
        "archive-bomb",
        "Archive that expands to far more than its size",
        "Members are packed at an extreme ratio, or many of them point to the same packed bytes: a small archive expands to a huge amount.",
        "archive-hazard",
        "high",
        "Do not extract it.",
        "CWE-409",
    ),
    _rule(
        "pdf-javascript",
        "Script in a PDF",
        "The document has JavaScript that some viewers run when it is opened, printed or filled in. Formulas of form fields are left out.",
        "malware",
        "medium",
        "Read the script; save the document without it.",
        "CWE-94",
    ),
    _rule(
        "pdf-launch",
        "PDF that starts a program",
        "An action of the document starts a program or opens a file of the machine on which it is read.",
        "malware",
        "high",
        "Do not open it in a viewer that follows such actions; save it without them.",
        "CWE-78",
    ),
    _rule(
        "pdf-form-data",
        "PDF that sends or loads form data",
        "An action of the document sends what was filled in to an address, or fills the form from a file.",
        "exfiltration",
        "low",
        "Look at the address.",
        "CWE-201",
    ),
    _rule(
        "pdf-other-document",
        "PDF that opens another document",
        "An action leads to another file, on the machine, on a network share or inside this document.",
        "exfiltration",
        "low",
        "Look at where it leads: to open a file on a share tells its owner who you are.",
        "CWE-610",
    ),
    _rule(
        "pdf-media",
        "Media in a PDF",
        "The document has a sound, a film, a 3D model or another program's content in it that viewers hand to other software.",
        "hidden-content",
        "info",
        "Look at what it is; save the document without it.",
        "CWE-829",
    ),
    _rule(
        "default-password",
        "Document encrypted with the default password",
        "The document is encrypted, but with the password that Office tries by itself: it opens without a question, and scanners see nothing.",
        "hidden-content",
        "medium",
        "Read what was found in it; find out why it was made so.",
        "CWE-656",
    ),
    _rule(
        "encrypted-document",
        "Encrypted document",
        "Nobody without the password, this audit included, knows what it says.",
        "hidden-content",
        "medium",
        "Have it decrypted before it enters the corpus.",
        "CWE-311",
    ),
    _rule(
        "macro-suspicious",
        "Macro that starts by itself and reaches out of its document",
        "The document carries code that runs when it is opened or closed, and that code starts programs, fetches something or hides what it calls.",
        "malware",
        "high",
        "Do not open it in an office program; find out who made it.",
        "CWE-94",
    ),
    _rule(
        "macro-call",
        "Document that calls a macro",
        "An event of the document calls a macro by its name: one of the office program's own, or one that has to be there already.",
        "malware",
        "low",
        "Look at which macro it names.",
        "CWE-94",
    ),
    _rule(
        "dde",
        "Link to a program in a document",
        "A field or a formula (DDE) starts a program and tells it what to do when the document is opened and its links are updated.",
        "malware",
        "high",
        "Do not open it in an office program; delete the field or the formula.",
        "CWE-74",
    ),
    _rule(
        "formula-injection",
        "Formula that reaches out of its table",
        "A cell holds a formula that fetches an address, sends what is in other cells or calls a function of the system once a spreadsheet program opens it.",
        "exfiltration",
        "medium",
        "Delete it, or put an apostrophe in front of it before anybody opens the table in a spreadsheet program.",
        "CWE-1236",
    ),
    _rule(
        "formula-link",
        "Link that carries data of its sheet",
        "A formula puts the content of cells into the address of a link or a picture: who follows it sends them away.",
        "exfiltration",
        "low",
        "Look at where it leads and at which cells go along.",
        "CWE-1236",
    ),
    _rule(
        "remote-template",
        "Document that fetches its template or an object from elsewhere",
        "Office programs fetch a remote template, frame or linked object as soon as the document is opened, and run what is in it.",
        "malware",
        "high",
        "Do not open it in an office program; find out who made it.",
        "CWE-829",
    ),
    _rule(
        "external-content",
        "Document that takes its content from elsewhere",
        "A field, a frame or a button takes text from an address on the network, or runs something, when the document is opened or clicked.",
        "exfiltration",
        "medium",
        "Look at where it leads; what is audited here is not what a reader will see.",
        "CWE-829",
    ),
    _rule(
        "external-relation",
        "Document with links that are followed",
        "It names pictures, data or other documents outside of it that an office program may fetch: to open them tells their owner who you are.",
        "exfiltration",
        "low",
        "Look at where they lead.",
        "CWE-610",
    ),
    _rule(
        "embedded-program",
        "Program in a document",
        "A file of a kind that runs when it is opened is embedded in the document, or linked by it.",
        "malware",
        "high",
        "Do not open it; find out who made the document.",
        "CWE-434",
    ),
    _rule(
        "xml-dtd",
        "Declarations in a document's XML",
        "A part of the document declares entities of its own. No office program writes that; careless ones are made to read other files or to run out of memory by it.",
        "hidden-content",
        "medium",
        "Do not use it with programs that expand entities.",
        "CWE-611",
        "CWE-776",
    ),
    _rule(
        "xml-external-entity",
        "Entity from elsewhere in XML",
        "The document type declares an entity whose content is another file or address; a program that expands it reads or fetches that.",
        "exfiltration",
        "low",
        "Parse the file with external entities switched off; look at what the entity names.",
        "CWE-611",
    ),
    _rule(
        "xml-entity-bomb",
        "Entities that multiply in XML",
        "Entities of the document type consist of many references to others: expanded, a few of them fill the memory.",
        "archive-hazard",
        "medium",
        "Do not parse the file with a program that expands entities.",
        "CWE-776",
    ),
    _rule(
        "latex-shell-escape",
        "LaTeX command that reaches the system",
        "The source starts a program or writes to a file outside when it is typeset.",
        "malware",
        "medium",
        "Read the command; typeset without shell escape.",
        "CWE-78",
    ),
)


class Structure:
    """Turns each text with a notice into a hit on all of it."""

    name = "structure"
    version = "1"
    needs = Needs()

    def __init__(self, settings: Settings) -> None:
        self._known = {rule.id for rule in RULES}

    def applies(self, about: FileInfo) -> bool:
        """To every file."""
        return True

    def load(self, models: ModelStore) -> None:
        """Nothing to load."""

    def rules(self) -> Sequence[Rule]:
        """One for each notice."""
        return RULES

    def fingerprint(self) -> str:
        """Over the rules."""
        return hashlib.sha256(repr((self.version, RULES)).encode()).hexdigest()[:16]

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        """A hit for each text with a notice; readers keep those short, so that none is cut."""
        notices = texts.column("notice")
        if notices.null_count == len(notices):
            return []
        found = []
        for row, notice in enumerate(notices.to_pylist()):
            if notice is not None and f"structure.{notice}" in self._known:
                found.append(Hit(f"structure.{notice}", 0, len(texts.column("text")[row].as_py() or ""), row))
        return found
