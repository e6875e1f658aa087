"""Which findings count. A suppressed finding stays in the tables, and this condition leaves it out of numbers, lists and exit codes."""

from __future__ import annotations

UNSUPPRESSED = "suppressed_by IS NULL"
SUPPRESSED = "suppressed_by IS NOT NULL"
