# The HTML page about the build, made only from its files, and its tables and figures as files.
# snakemake --report build.zip (or .html) packs them with their captions.


rule report:
    input:
        manifest=FILES.made("manifest"),
        dataset=FILES.made("dataset"),
        results=RESULTS,
        settings=settings_of("report"),
    output:
        page=report(
            FILES.report,
            caption="captions/page.rst",
            category="The build",
        ),
        exhibits=report(
            directory(FILES.exhibits),
            patterns=["{exhibit}.csv", "{exhibit}.svg"],
            caption="captions/exhibit.rst",
            category="Tables and figures",
            labels={"exhibit": "{exhibit}"},
        ),
    log:
        FILES.logs / "report.log",
    resources:
        mem_mb=2000,
    params:
        settings=settings_digest("report"),
    script:
        "scripts/report.py"
