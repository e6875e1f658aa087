"""Turn hits into findings: redaction, commit, collect, policy, comparison. Does not depend on any engine."""
