"""Which model files belong to which role and profile, and whether they are what they should be; it knows no engine."""
