"""`python -m veritensor_ray` runs the command line."""

from veritensor_ray.core.safe_imports import Guard

with Guard():  # -m puts the working directory on the import path
    from veritensor_ray.cli import main

    main()
