"""Tells others how a run ended: a message, a command, a file of metrics; it knows of a run only its run.json."""
