"""`python -m tiffin` is the command `tiffin`."""

from tiffin.cli import main

if __name__ == "__main__":
    main()
