from pipeline.workflow.job import job

with job(snakemake) as config:
    from pipeline.workflow.closing import check_quarantine

    check_quarantine(config)
