"""Unix archives (ar): static libraries and Debian packages are such archives."""
