"""What Snakemake needs from this package: start, jobs, settings files, locks, the end."""
