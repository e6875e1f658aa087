"""What files and folders are called in the copy, and how references to them follow."""
