from pathlib import Path

from pipeline.job import job
from pipeline.shard import run_stage

with job(snakemake) as config:
    shard, record = Path(snakemake.input.shard), Path(snakemake.output.record)
    run_stage(config, snakemake.rule, shard, record, snakemake.threads)
