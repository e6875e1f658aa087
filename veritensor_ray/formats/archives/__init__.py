"""Readers of archives: their contents become members, their irregularities notices. Nothing is extracted to a path."""
