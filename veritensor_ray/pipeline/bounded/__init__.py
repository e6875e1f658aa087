"""A separate process with limits on memory and time, for hostile bytes outside of a run."""
