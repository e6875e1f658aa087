"""What is measured, and the figures beside it: `python -m bench`, `python -m bench.NAME`. It checks nothing."""
