"""Commands that decide about findings."""
