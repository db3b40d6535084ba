"""What a person types: chsims-build and its subcommands."""
