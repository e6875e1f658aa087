"""Opens the results of a run, compares and verifies them, and keeps what people decide about findings."""
