"""RPM packages."""
