"""dataset: split, pad and write one HDF5 file, and read it back."""
