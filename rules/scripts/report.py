from pipeline.workflow.job import job

with job(snakemake) as config:
    from pipeline.report.build import build_report

    build_report(config)
