from pipeline.workflow.job import job

with job(snakemake) as config:
    from pipeline.manifest.build import build_manifest

    build_manifest(config)
