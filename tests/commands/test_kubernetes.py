"""The manifests are valid Kubernetes, fit together, and hold the settings that they are given."""

from __future__ import annotations

from typing import Any

import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner

from pipeline.commands.kubernetes import Pods, manifests
from pipeline.commands.looking import kubernetes
from pipeline.config import make_config
from pipeline.errors import BuildError
from tests.conftest import ROOT

IMAGE = "registry.example.org/me/chsims-build:1"
VALUES = {"openface": {"runtime": "import", "import_folder": "raw/openface"}}
VERSIONS = ("1.25", "1.30", "1.37")


def documents(pods: Pods, values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["kind"]: each for each in yaml.safe_load_all(manifests(pods, values))}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("gpus", [0, 2])
def test_each_manifest_follows_kubernetes_own_schema(version: str, gpus: int) -> None:
    made = documents(Pods(IMAGE, gpus=gpus), {**VALUES, "report": {"title": "情感 'x' \"y\": z"}})
    assert list(made) == ["PersistentVolumeClaim", "ConfigMap", "Pod", "Job"]
    for each in made.values():
        kubernetes_validate.validate(each, version, strict=True)


def test_the_schemas_notice_a_fault() -> None:
    job = documents(Pods(IMAGE), VALUES)["Job"]
    job["spec"]["template"]["spec"]["container"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(job, VERSIONS[-1], strict=True)


def test_volumes_settings_and_resources_fit_together() -> None:
    whole = make_config(VALUES).model_dump(mode="json")
    made = documents(Pods(IMAGE, cores=4, memory_gb=16, gpus=1, storage_gb=50), whole)
    held = made["ConfigMap"]["data"]["config.yaml"]
    assert yaml.safe_load(held) == VALUES
    assert made["PersistentVolumeClaim"]["spec"]["resources"]["requests"]["storage"] == "50Gi"
    building = made["Job"]["spec"]["template"]["spec"]
    for spec in (building, made["Pod"]["spec"]):
        container = spec["containers"][0]
        mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
        volumes = {each["name"]: each for each in spec["volumes"]}
        assert mounts.keys() == volumes.keys()
        assert mounts["work"] == container["workingDir"]
        claim = volumes["work"]["persistentVolumeClaim"]["claimName"]
        assert claim == made["PersistentVolumeClaim"]["metadata"]["name"]
        assert volumes["settings"]["configMap"]["name"] == made["ConfigMap"]["metadata"]["name"]
    container = building["containers"][0]
    assert container["image"] == IMAGE
    assert container["resources"]["limits"] == {
        "cpu": "4", "memory": "16Gi", "nvidia.com/gpu": "1",
    }  # fmt: skip
    assert container["command"] == [
        "chsims-build", "--config", "/settings/config.yaml", "--cores", "4",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "cannot start OpenFace's container"),
        ({**VALUES, "raw": "/home/me/raw"}, "raw is /home/me/raw, a path of this machine"),
        (
            {"openface": {"runtime": "import", "import_folder": "/csvs"}},
            "openface.import_folder is /csvs",
        ),
        ({**VALUES, "shard_size": 0}, "shard_size"),
    ],
)
def test_what_a_pod_cannot_do_is_refused_here(values: dict[str, Any], words: str) -> None:
    with pytest.raises(BuildError, match=words):
        manifests(Pods(IMAGE), values)


def test_without_vision_openface_is_no_matter() -> None:
    assert manifests(Pods(IMAGE), {"features": {"vision": "none"}})


def test_the_profile_is_what_the_command_prints() -> None:
    """profiles/kubernetes/build.yaml: the first lines say how it was made."""
    text = (ROOT / "profiles" / "kubernetes" / "build.yaml").read_text("utf-8")
    head = [line for line in text.splitlines() if line.startswith("#")]
    done = CliRunner().invoke(kubernetes, ["--image", IMAGE, *_set(VALUES)], obj=((), ()))
    assert done.exit_code == 0, done.output
    assert text == "\n".join(head) + "\n" + done.stdout


def _set(values: dict[str, Any]) -> list[str]:
    return [
        word
        for group, settings in values.items()
        for name, value in settings.items()
        for word in ("--set", f"{group}.{name}={value}")
    ]
