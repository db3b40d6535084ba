# The HTML page about the build, made only from its files, and its tables and figures as files.
# As for the dataset, the record is the output in place of the files: the last page stays until a new
# one is whole.


rule report:
    input:
        manifest=FILES.made("manifest"),
        dataset=FILES.made("dataset"),
        results=RESULTS,
        settings=settings_of("report", FILES.made("report")),
    output:
        made=FILES.made("report"),
    log:
        FILES.logs / "report.log",
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
    params:
        settings=settings_digest("report"),
    script:
        "scripts/report.py"


# snakemake --report build.zip (or .html) packs outputs of rules only, with their captions: copies
rule packed:
    input:
        made=FILES.made("report"),
    output:
        page=report(
            FILES.packed / "report.html",
            caption="captions/page.rst",
            category="The build",
        ),
        exhibits=report(
            directory(FILES.packed / "exhibits"),
            patterns=["{exhibit}.csv", "{exhibit}.svg"],
            caption="captions/exhibit.rst",
            category="Tables and figures",
            labels={"exhibit": "{exhibit}"},
        ),
    log:
        FILES.logs / "packed.log",
    localrule: True
    script:
        "scripts/packed.py"
