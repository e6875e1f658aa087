"""The steps of a scan, composed in one process without Ray."""
