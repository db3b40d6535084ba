from pipeline.workflow.job import job

with job(snakemake) as config:
    from pipeline.report.exhibits import copy_exhibits

    copy_exhibits(config.layout)
