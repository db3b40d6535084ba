from pipeline.workflow.job import job

with job(snakemake) as config:
    from pipeline.manifest.build import build_manifest
    from pipeline.terminal import tell

    for note in build_manifest(config):
        tell(f"manifest: note: {note}")
