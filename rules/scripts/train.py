"""Train all seeds of one model in one experiment."""

from pipeline.workflow.job import job

with job(snakemake) as config:
    from pipeline.train.run import train_model

    chosen = snakemake.wildcards
    train_model(config, chosen.experiment, chosen.model, snakemake.threads)
