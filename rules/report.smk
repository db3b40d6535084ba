# The HTML page about the build, from its files alone.


rule report:
    input:
        dataset=PROCESSED + "/dataset.h5",
        quarantine=PROCESSED + "/quarantine.csv",
        results=RESULTS,
    output:
        PROCESSED + "/report.html",
    log:
        PROCESSED + "/logs/report.log",
    resources:
        mem_mb=2000,
    params:
        settings=CONFIG.report.defining(),
    script:
        "scripts/report.py"
