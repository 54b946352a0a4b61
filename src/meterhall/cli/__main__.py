"""`python -m meterhall.cli`."""

from meterhall.cli import main

if __name__ == "__main__":
    main()
