"""Readers of mail: single messages, mailboxes, and Outlook files."""
