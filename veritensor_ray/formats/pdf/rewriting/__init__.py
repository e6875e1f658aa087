"""Writes PDF files anew without what was found in them."""
