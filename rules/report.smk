# The HTML page about the build, from its files alone.


rule report:
    input:
        dataset=PROCESSED + "/dataset.h5",
        quarantine=PROCESSED + "/quarantine.csv",
        results=RESULTS,
    output:
        PROCESSED + "/report.html",
    params:
        settings=CONFIG.report.defining(),
    log:
        PROCESSED + "/logs/report.log",
    resources:
        mem_mb=2000,
    script:
        "scripts/report.py"
