"""Ray tasks and actors: thin wrappers that run pipeline steps on a cluster."""
