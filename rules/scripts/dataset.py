from pipeline.workflow.job import job

with job(snakemake) as config:
    from pipeline.dataset.writer import build_dataset

    build_dataset(config)
