"""Judges names: which are dangerous, harmless or unknown."""
