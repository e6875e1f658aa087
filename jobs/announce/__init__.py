"""Reports how a run ended: with a message, a command and a file of metrics. Everything comes from the run's run.json."""
