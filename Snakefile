# CH-SIMS from raw clips: features, dataset, models and report.
#
#   snakemake --cores 8 all                                    the corpus in raw/
#   snakemake --cores 8 all --configfile config/demo.yaml     the 30 demo clips
#
# Every setting is explained in config/config.yaml; one stage alone: chsims-build --help.

from snakemake.utils import min_version

min_version("9.0")


configfile: f"{workflow.basedir}/config/config.yaml"


include: "rules/common.smk"
include: "rules/manifest.smk"
include: "rules/vision.smk"
include: "rules/audio.smk"
include: "rules/text.smk"
include: "rules/dataset.smk"
include: "rules/train.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        rules.verdict.output,
        rules.dataset.output,
        rules.report.output,
        RESULTS,
        # named, since Snakemake does not miss what only lies between
        [records(stage) for stage in ("vision", "audio", "text")],
        [trained(experiment) for experiment in TRAINED],


rule stage_train:
    input:
        RESULTS,
    localrule: True
