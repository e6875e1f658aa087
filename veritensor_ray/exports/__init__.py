"""Formats for other programs. Each format is a module; `FORMATS` lists them."""
