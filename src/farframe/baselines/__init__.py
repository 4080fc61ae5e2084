"""Other methods on the same data, loop and evaluation, for the method to be held against."""
