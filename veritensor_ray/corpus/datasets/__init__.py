"""Folders of Hugging Face: caches of the hub, in which files stand behind links, and what datasets say of their files. It does not depend on readers."""
