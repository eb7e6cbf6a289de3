"""The command ``oxicorn`` and ``python -m oxicorn``."""

import sys

from oxicorn import _oxicorn


def main() -> None:
    """Run the server with the arguments of the command line and exit with its status."""
    sys.exit(_oxicorn.main(sys.argv))


if __name__ == "__main__":
    main()
