"""`python -m veritensor_ray` is the command line."""

from veritensor_ray.cli import main

main()
