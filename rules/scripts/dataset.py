from pipeline.workflow.job import job

with job(snakemake) as config:
    from pipeline.dataset.writer import build_dataset
    from pipeline.terminal import tell

    split = build_dataset(config)
    tell(f"dataset: split {split.kind}: {split.reason}")
    for warning in split.warnings:
        tell(f"dataset: warning: {warning}")
