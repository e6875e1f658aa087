"""Patterns of secrets with a recognizable form, shared by the engine that reports them and the redaction that hides them."""
