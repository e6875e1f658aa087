"""What makes the copies of tables tables of their own."""
