from pipeline.job import job

with job(snakemake) as config:
    from pipeline.verdict import check_quarantine

    check_quarantine(config)
