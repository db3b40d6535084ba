# Split, padding and the HDF5 file. The record of a step is its output in place of its files:
# Snakemake deletes outputs before a job runs, and the files of the last good build must stay.


rule dataset:
    input:
        manifest=FILES.made("manifest"),
        records=lasting_records(wanted(CONFIG)),
        settings=settings_of("dataset", FILES.made("dataset")),
    output:
        made=FILES.made("dataset"),
    log:
        FILES.logs / "dataset.log",
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
    params:
        settings=settings_digest("dataset"),
    script:
        "scripts/dataset.py"


rule verdict:
    input:
        manifest=FILES.made("manifest"),
        dataset=FILES.made("dataset"),
        report=FILES.made("report"),
    output:
        touch(FILES.verdict),
    log:
        FILES.logs / "verdict.log",
    localrule: True
    params:
        max_quarantined=CONFIG.max_quarantined,
    script:
        "scripts/verdict.py"
