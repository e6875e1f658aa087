"""What cleaning asks engines besides the scan itself: about names, and about files that it converted."""
