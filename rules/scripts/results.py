"""Make one experiment's table or figure data."""

from pipeline.workflow.job import job

with job(snakemake) as config:
    from pipeline.train.results import write_results

    write_results(config, snakemake.wildcards.experiment)
