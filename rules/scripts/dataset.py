from pipeline.workflow.job import job

with job(snakemake) as config:
    from pipeline.dataset.writer import build_dataset
    from pipeline.terminal import tell

    split = build_dataset(config)
    tell(f"dataset: split {split.kind}: {split.reason}")
    if split.kind == "none":
        tell("train: skipped, because no clip has a label; the report is made without it")
    for warning in split.warnings:
        tell(f"dataset: warning: {warning}")
