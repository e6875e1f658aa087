"""cpio archives: the content of RPM packages and of the first file system that Linux boots from."""
