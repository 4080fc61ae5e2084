"""``python -m farframe``, which is also what ``torchrun -m farframe`` starts."""

from farframe.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
