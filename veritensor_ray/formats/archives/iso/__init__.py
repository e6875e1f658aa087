"""ISO 9660 images, with the names of Joliet and Rock Ridge."""
