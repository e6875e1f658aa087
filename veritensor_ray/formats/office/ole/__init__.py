"""Office documents up to 2003, which are OLE files, and what else OLE files hold."""
