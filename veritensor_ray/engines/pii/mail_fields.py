"""Recognizes email header fields that were pasted into a text or that name a column."""

from __future__ import annotations

import re

from veritensor_ray.engines.pii.joining import JoinedBatch, listed

# Fields whose addresses are message ids rather than anyone's address.
IDS = listed("message-id references in-reply-to resent-message-id content-id x-forwarded-message-id thread-index dkim-signature x-google-dkim-signature "
             "original-message-id x-message-id list-id x-ms-exchange-messageid arc-message-signature arc-seal domainkey-signature x-original-message-id")  # fmt: skip
# Fields that people write or read, in which numbers have the same meaning as in text.
WRITTEN = listed("from to cc bcc reply-to sender organization organisation recipient header headers")

_FIELD = re.compile(r"[>|\s]*([A-Za-z][A-Za-z-]{1,40}) ?:(?!//)")
_ADDRESSES = listed(
    "from to cc bcc sender reply-to return-path delivered-to received errors-to x-beenthere list-post list-help list-subscribe list-unsubscribe"
    " list-owner list-archive resent-from resent-to x-sender x-original-to envelope-to x-envelope-to mail-followup-to mailing-list"
    " authentication-results received-spf x-apparently-to apparently-to"
)
_OTHERS = listed("date subject sent importance mime-version content-type x-mailer user-agent precedence organization")
_BESIDE = 400
_FOLDED = 12


def field_of(joined: JoinedBatch, position: int) -> str | None:
    """Return the field that begins the line of a position, or the field that this line continues."""
    before = joined.before(position, 2000)
    for line in before.rsplit("\n", _FOLDED)[: -_FOLDED - 1 : -1]:
        found = _FIELD.match(line)
        name = found[1].lower() if found else ""
        if name in _ADDRESSES or name in IDS:
            return name
        if name or not line[:1].isspace():
            return None
    return None


def heads_a_mail(joined: JoinedBatch, position: int) -> bool:
    """Return whether a position is in an email header field that was pasted into a text, next to a line with another field."""
    field = field_of(joined, position)
    if field is None:
        return False
    if field in IDS:
        return True
    above = joined.before(position, _BESIDE).split("\n")[:-1]
    below = joined.after(position, _BESIDE).split("\n")[1:]
    return any(_known(line, field) for line in (*above[-2:], *below[:2]))


def _known(line: str, but: str) -> bool:
    found = _FIELD.match(line)
    name = found[1].lower() if found else ""
    return name != but and (name in _ADDRESSES or name in _OTHERS or name in IDS)
