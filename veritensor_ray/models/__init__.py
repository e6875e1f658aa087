"""Which model files belong to which role and profile, and whether they are intact. It does not depend on any engine."""
