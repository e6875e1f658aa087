"""What stands in a file outside of what its reader interpreted."""
