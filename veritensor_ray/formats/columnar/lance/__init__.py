"""Lance files, which hold the columns of a Lance dataset, and files of its indexes."""
