"""Code that readers of several families share. Nothing here reads a file by itself."""
