"""The report: one HTML file over the tables of an output, and reports for compliance frameworks."""
