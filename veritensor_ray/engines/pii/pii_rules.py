"""The rules of the personal data engine."""

from __future__ import annotations

from veritensor_ray.core.config import PiiSettings, Severity
from veritensor_ray.engines.base import Rule

_LEAK = ("OWASP-LLM02:2025", "CWE-359")
_STORE = ("OWASP-LLM02:2025", "CWE-312", "CWE-359")
_REMOVE = "Remove or mask it. Without a legal basis, keep the document out of training and retrieval."

_TABLE: tuple[tuple[str, str, str, Severity, tuple[str, ...], str], ...] = (
    ("person", "Personal name", "A person's name in running text, found by the model.", "low", _LEAK,
     "Names of places, products and fictional characters; names of authors in citations and licenses."),
    ("email", "Email address", "An email address in a domain that could exist. Role addresses and those of authors in licenses have severity info.", "medium", _LEAK,
     "Addresses of organizations that do not look like role addresses; made-up addresses in examples."),
    ("mail-header", "Address in an email header", "The sender, recipients and sending machine of an email, which every email contains.", "low", _LEAK,
     "Mailing list addresses that are not recognized as such."),
    ("phone", "Phone number", "A number that is valid in its country's numbering plan, or is near a keyword such as 'phone'.", "medium", _LEAK,
     "Numbers of companies and offices."),
    ("address", "Postal address", "A street or full address in running text, found by the model.", "medium", _LEAK, "Addresses of companies; place names."),
    ("organization", "Organization", "The name of a company or institution, found by the model.", "info", _LEAK, "Product names."),
    ("payment-card", "Payment card number", "A number with an issuer's prefix and length and a valid check digit.", "high", (*_STORE, "CWE-311"),
     "One in ten random numbers with a card prefix passes the check. Such a number has severity low if it has no keyword nearby and is not part of a sentence."),
    ("iban", "Bank account", "An IBAN with a valid length and check digits, or a routing or account number near a keyword for one.", "high", _STORE,
     "Account numbers in documentation."),
    ("us-ssn", "US Social Security number", "Nine digits whose first five can occur in such a number. A number without dashes counts only near a keyword such as 'SSN'.", "high", _STORE,
     "Part numbers written as 3-2-4 digits."),
    ("national-id", "National identifier", "A personal, tax, insurance or driver's license number from one of about 40 countries.", "high", _STORE,
     "Serial numbers of the same shape. A number whose only evidence is a nearby keyword has a lower confidence."),
    ("passport", "Passport number", "A number in the shape of a passport number, near a keyword for passport.", "high", _STORE, "Other document numbers near such a keyword."),
    ("ip-address", "IP address", "A public internet address. Reserved ranges are not reported, and private ones only if configured.", "low", _LEAK,
     "Version numbers with four parts; server addresses."),
    ("mac-address", "MAC address", "The hardware address of a device.", "low", _LEAK, "Fingerprints truncated to six bytes."),
    ("date-of-birth", "Date of birth", "A date near a keyword for birth.", "medium", _LEAK, "Birthdays of public figures and fictional characters."),
    ("crypto-address", "Cryptocurrency address", "A Bitcoin address with a valid checksum, or an Ethereum address near a keyword for one.", "medium", _LEAK,
     "Donation addresses of projects."),
    ("medical", "Medical data", "A person's diagnosis or medication, or the number of a health record, a health insurance policy or a healthcare provider.", "high", (*_LEAK, "CWE-200"),
     "Medical text about no one in particular."),
)  # fmt: skip

NAMES = tuple(row[0] for row in _TABLE)
FREE_TEXT = ("person", "address", "organization", "medical", "date-of-birth", "passport", "national-id")  # rules that a model may serve


def all_rules(settings: PiiSettings) -> list[Rule]:
    """Return the built-in and configured rules."""
    built_in = [
        Rule(f"pii.{name}", title, description, "pii", severity, _REMOVE, taxonomy, false_alarms=alarms)
        for name, title, description, severity, taxonomy, alarms in _TABLE
    ]
    own = [
        Rule(f"pii.custom-{one.name}", f"Custom identifier: {one.name}", f"A match of the configured pattern {one.name}.", "pii",
             one.severity, _REMOVE, _LEAK, false_alarms="Any other text that the configured pattern matches.")
        for one in settings.custom
    ]  # fmt: skip
    return [*built_in, *own]
