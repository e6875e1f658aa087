"""What goes with a release: locks, licences, bills of materials, the wheel. Run as `python -m tools.NAME`; it knows no run of the scanner."""
