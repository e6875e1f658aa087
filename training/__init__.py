"""How the embedded models were trained: `python -m training`. It is not part of the package, and a scan knows nothing of it."""
