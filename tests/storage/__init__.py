"""Where a build keeps its files, and how few and small they can be."""
