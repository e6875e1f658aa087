"""What each kind of personal data means and what to do about it; it knows no pattern."""

from __future__ import annotations

from veritensor_ray.config import PiiSettings
from veritensor_ray.engines.base import Rule

_LEAK = ("OWASP-LLM02:2025", "CWE-359")
_STORE = ("OWASP-LLM02:2025", "CWE-312", "CWE-359")
_REMOVE = "Remove or mask it, or keep the document out of training and retrieval unless there is a legal basis."

_TABLE = (
    ("person", "Name of a person", "A person's name in running text, found by the model.", "low", _LEAK,
     "Names of places, products and characters; names of authors in citations and licences."),
    ("email", "E-mail address", "An address with a domain that can exist; those of roles and of authors in licences are info.", "medium", _LEAK,
     "Addresses of organisations that do not look like a role's; made-up addresses in examples."),
    ("mail-header", "Address in the header of a mail", "Who sent and got a mail, and from which machine; a mail always has these.", "low", _LEAK,
     "Mailing lists that do not look like one."),
    ("phone", "Telephone number", "A number that is valid in its country's plan, or stands beside a word such as 'phone'.", "medium", _LEAK,
     "Numbers of companies and offices."),
    ("address", "Postal address", "A street or full address in running text, found by the model.", "medium", _LEAK, "Addresses of companies; names of places."),
    ("organization", "Organisation", "The name of a company or institution, found by the model.", "info", _LEAK, "Names of products."),
    ("payment-card", "Payment card number", "A number with an issuer's beginning and length and a right check digit.", "high", (*_STORE, "CWE-311"),
     "One in ten random numbers with a card's beginning passes the check: such a one is low where no word or sentence is near."),
    ("iban", "Bank account", "An IBAN with right length and check digits, or a routing or account number beside words that say so.", "high", _STORE,
     "Account numbers in documentation."),
    ("us-ssn", "US social security number", "Nine digits with a possible area and group; without dashes only beside words that say so.", "high", _STORE,
     "Numbers of parts written 3-2-4."),
    ("national-id", "National identifier", "A personal, tax or insurance number or driver licence of one of some forty countries.", "high", _STORE,
     "Serial numbers of the same shape; numbers whose only evidence is a word near by have a lower confidence."),
    ("passport", "Passport number", "A number of a passport's shape beside a word for passport.", "high", _STORE, "Other document numbers beside that word."),
    ("ip-address", "IP address", "An address of the public internet. Reserved ranges are left out, private ones unless configured.", "low", _LEAK,
     "Version numbers of four parts; addresses of servers."),
    ("mac-address", "MAC address", "The hardware address of a device.", "low", _LEAK, "Fingerprints that are cut to six bytes."),
    ("date-of-birth", "Date of birth", "A date beside a word for birth.", "medium", _LEAK, "Birthdays of public figures and of characters."),
    ("crypto-address", "Address of a crypto currency", "A Bitcoin address with a right checksum, or an Ethereum address beside a word for it.", "medium", _LEAK,
     "Donation addresses of projects."),
    ("medical", "Medical data", "A diagnosis or medication of a person, or the number of a health record, insurance or provider.", "high", (*_LEAK, "CWE-200"),
     "Medical text about nobody in particular."),
)  # fmt: skip

NAMES = tuple(row[0] for row in _TABLE)
FREE_TEXT = ("person", "address", "organization", "medical", "date-of-birth", "passport", "national-id")  # what a model may be asked for


def all_rules(settings: PiiSettings) -> list[Rule]:
    """Built in and configured."""
    built_in = [
        Rule(f"pii.{name}", title, description, "pii", severity, _REMOVE, taxonomy, false_alarms=alarms)
        for name, title, description, severity, taxonomy, alarms in _TABLE
    ]
    own = [
        Rule(f"pii.custom-{one.name}", f"Identifier of your own: {one.name}", f"A match of the configured pattern {one.name}.", "pii",
             one.severity, _REMOVE, _LEAK, false_alarms="Whatever else the configured pattern matches.")
        for one in settings.custom
    ]  # fmt: skip
    return [*built_in, *own]
