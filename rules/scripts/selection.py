from pathlib import Path

from pipeline.manifest.selection import select_clips
from pipeline.workflow.job import job

with job(snakemake) as config:
    select_clips(config, Path(snakemake.output[0]))
