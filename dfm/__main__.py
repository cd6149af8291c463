"""Run the command line with python -m dfm."""

import sys

from dfm import cli

if __name__ == "__main__":
    sys.exit(cli.main())
