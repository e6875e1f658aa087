"""Readers of archives: what is in them comes out as members, what is wrong with them as notices. None extracts to a path."""
