"""Hits to findings, commit, collect, redaction, exports; it knows no engine."""
