"""The commands that a user types: chsims-build and its subcommands."""
