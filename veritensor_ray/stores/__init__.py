"""Stores and the outputs in them: access, objects written whole or not at all, and the lease of an output; it knows nothing of what is stored."""
