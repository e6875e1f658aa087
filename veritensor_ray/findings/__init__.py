"""Turn hits into findings: redaction, commit, collect, policy, comparison. It does not depend on any engine."""
