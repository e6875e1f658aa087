"""Readers of mail: one message, a mailbox of them, and what Outlook saves."""
