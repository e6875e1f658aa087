"""A machine that searches for places in files where a value can hide: `python -m bench.account`."""
