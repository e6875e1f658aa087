"""Release tools: locks, licences, bills of materials, the wheel. Run them as `python -m tools.NAME`. It does not depend on runs."""
