"""Release tools: locks, licences, bills of materials, the wheel. Run them as `python -m tools.NAME`. Does not depend on runs."""
