"""Access to stores, outputs with atomic writes, and the lease of an output. Does not depend on what is stored."""
