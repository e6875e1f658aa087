"""Stores, listing, planning, splitting: what is to be read; it knows no reader and no engine."""
