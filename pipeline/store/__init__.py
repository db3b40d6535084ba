"""The build folder: its layout, feature files, shards, records, quarantine, freshness."""
