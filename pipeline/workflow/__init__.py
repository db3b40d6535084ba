"""What Snakemake needs of this package: start, jobs, settings files, locks, the end."""
