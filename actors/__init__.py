"""Ray tasks and actors: thin wrappers that place pipeline steps on a cluster."""
