"""The signed bundle of models, rules and advisories that crosses the gap in one file; it knows no run."""
