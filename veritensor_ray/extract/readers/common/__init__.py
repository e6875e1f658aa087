"""What readers of several families share; nothing here reads a file by itself."""
