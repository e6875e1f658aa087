"""Access to stores, outputs with atomic writes, and the lease of an output. It does not depend on what is stored."""
