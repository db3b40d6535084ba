"""exports: a finished dataset in the formats that other people's tools read."""
