"""Measurements and their figures: `python -m bench`, `python -m bench.NAME`. Only `bench.account` can also check them."""
