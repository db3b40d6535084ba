# Split, padding and the HDF5 file.


rule dataset:
    input:
        manifest=PROCESSED + "/manifest.parquet",
        manifest_quarantine=PROCESSED + "/manifest_quarantine.json",
        faces=records("faces"),
        openface=records("openface"),
        vision=records("vision"),
        audio=records("audio"),
        text=records("text"),
        settings=settings_of("dataset"),
    output:
        dataset=PROCESSED + "/dataset.h5",
        quarantine=PROCESSED + "/quarantine.csv",
    log:
        PROCESSED + "/logs/dataset.log",
    resources:
        mem_mb=2000,
    params:
        settings=settings_digest("dataset"),
    script:
        "scripts/dataset.py"


rule verdict:
    input:
        manifest=PROCESSED + "/manifest.parquet",
        quarantine=PROCESSED + "/quarantine.csv",
        report=PROCESSED + "/report.html",
    output:
        touch(PROCESSED + "/logs/verdict.ok"),
    log:
        PROCESSED + "/logs/verdict.log",
    localrule: True
    params:
        max_quarantined=CONFIG.max_quarantined,
    script:
        "scripts/verdict.py"
