"""Measurements and their figures: `python -m bench`, `python -m bench.NAME`. Nothing is checked here."""
