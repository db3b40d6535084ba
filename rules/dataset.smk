# Split, padding and the HDF5 file.


rule dataset:
    input:
        manifest=FILES.manifest,
        manifest_quarantine=FILES.manifest_quarantine,
        records=lasting_records(wanted(CONFIG)),
        settings=settings_of("dataset"),
    output:
        dataset=FILES.dataset,
        quarantine=FILES.quarantine,
    log:
        FILES.logs / "dataset.log",
    resources:
        mem_mb=2000,
    params:
        settings=settings_digest("dataset"),
    script:
        "scripts/dataset.py"


rule verdict:
    input:
        manifest=FILES.manifest,
        quarantine=FILES.quarantine,
        report=FILES.report,
    output:
        touch(FILES.verdict),
    log:
        FILES.logs / "verdict.log",
    localrule: True
    params:
        max_quarantined=CONFIG.max_quarantined,
    script:
        "scripts/verdict.py"
