"""What the rewriters of several formats share."""
