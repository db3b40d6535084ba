"""Manifests for Kubernetes: a build as one Job on one volume, which a new pod goes on with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from pipeline.config import Config, make_config
from pipeline.errors import BuildError
from pipeline.stages import wanted

_USER = 1000
"""Any user but root; the volume's files belong to its group."""

_RETRIES = 6
"""Pods that may fail before the Job does; each goes on where the last one stopped."""


@dataclass(frozen=True)
class Pods:
    """What the build's pods run on.

    Parameters
    ----------
    image : str
        The pipeline's image (Containerfile), as a registry of the cluster knows it.
    name : str
        Of the Job; the other objects' names begin with it.
    cores, memory_gb, gpus : int
        Of the one pod that builds.
    storage_gb : int
        Of the volume that holds raw, processed and models.
    """

    image: str
    name: str = "chsims-build"
    cores: int = 8
    memory_gb: int = 32
    gpus: int = 0
    storage_gb: int = 200


def manifests(pods: Pods, values: Mapping[str, Any]) -> str:
    """Return the manifests as YAML: volume, settings, a pod to copy files, and the Job.

    Parameters
    ----------
    pods : Pods
        Image and resources.
    values : mapping
        The settings; those that differ from the defaults are written. The paths in them are
        those on the volume, from its root.

    Raises
    ------
    BuildError
        If a setting is wrong, or cannot hold in a pod.
    """
    config = make_config(values)
    _check(config)
    defaults = make_config({}).model_dump(mode="json")
    documents = list(_documents(pods, _differing(values, defaults)))
    return "---\n".join(
        yaml.safe_dump(each, sort_keys=False, allow_unicode=True) for each in documents
    )


def _differing(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings whose values are not the defaults, so that the rest need no renewal."""
    found: dict[str, Any] = {}
    for key, value in sorted(values.items()):
        default = defaults.get(key)
        if isinstance(value, Mapping) and isinstance(default, Mapping):
            inner = _differing(value, default)
            found |= {key: inner} if inner else {}
        elif key not in defaults or value != default:
            found[key] = value
    return found


def _check(config: Config) -> None:
    """Refuse what a pod cannot do, before it fails on a cluster."""
    folders = {
        "raw": config.raw,
        "processed": config.processed,
        "openface.import_folder": config.openface.import_folder,
    }
    for key, folder in folders.items():
        if folder is not None and folder.is_absolute():
            raise BuildError(
                f"{key} is {folder}, a path of this machine",
                f"name a folder on the volume, from its root: --set {key}=FOLDER",
            )
    if "openface" in wanted(config) and config.openface.runtime not in ("import", "native"):
        raise BuildError(
            "a pod cannot start OpenFace's container "
            f"(openface.runtime is {config.openface.runtime})",
            "run OpenFace elsewhere and import its CSVs: --set openface.runtime=import "
            "--set openface.import_folder=raw/openface; or fill the slot by another stage: "
            "--set features.vision=image",
        )


def _documents(pods: Pods, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    def named(name: str, part: str = "work") -> dict[str, Any]:
        labels = {"app.kubernetes.io/name": pods.name, "app.kubernetes.io/component": part}
        return {"name": name, "labels": labels}

    yield {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": named(f"{pods.name}-work"),
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": f"{pods.storage_gb}Gi"}},
        },
    }
    text = yaml.safe_dump(dict(values), sort_keys=True, allow_unicode=True)
    yield {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": named(f"{pods.name}-settings"),
        "data": {"config.yaml": text},
    }
    small = {"cpu": "500m", "memory": "512Mi"}
    waiting = _pod(pods, ["sleep", "infinity"], {"requests": small, "limits": small})
    yield {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": named(f"{pods.name}-files", "files"),
        "spec": {**waiting, "restartPolicy": "Never"},
    }
    whole = {"cpu": str(pods.cores), "memory": f"{pods.memory_gb}Gi"}
    if pods.gpus:
        whole["nvidia.com/gpu"] = str(pods.gpus)
    command = ["chsims-build", "--config", "/settings/config.yaml", "--cores", str(pods.cores)]
    building = _pod(pods, command, {"requests": whole, "limits": whole})
    yield {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": named(pods.name, "build"),
        "spec": {
            "backoffLimit": _RETRIES,
            "template": {
                "metadata": {"labels": named("", "build")["labels"]},
                "spec": {
                    **building,
                    "restartPolicy": "Never",  # each pod's log stays, to be read
                    "terminationGracePeriodSeconds": 60,
                },
            },
        },
    }


def _pod(pods: Pods, command: list[str], resources: dict[str, Any]) -> dict[str, Any]:
    return {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "main",
                "image": pods.image,
                "command": command,
                "workingDir": "/work",
                "resources": resources,
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": [
                    {"name": "work", "mountPath": "/work"},
                    {"name": "settings", "mountPath": "/settings", "readOnly": True},
                    {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own
                ],
            }
        ],
        "volumes": [
            {"name": "work", "persistentVolumeClaim": {"claimName": f"{pods.name}-work"}},
            {"name": "settings", "configMap": {"name": f"{pods.name}-settings"}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
