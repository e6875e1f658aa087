"""Which model files belong to which role and profile, and whether they are intact. Does not depend on any engine."""
