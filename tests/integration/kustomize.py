"""What `kustomize build` makes of the manifests, as far as they use it: resources, ConfigMaps from files and literals, images,
components, and patches. Without the hashes in the ConfigMaps' names. test_deploy.py compares it with kustomize where that is installed."""

import copy

import yaml


def documents(path):
    return [document for document in yaml.safe_load_all(path.read_text()) if document is not None]


def _config_map(folder, generator):
    data = {path.split("/")[-1]: (folder / path).read_text() for path in generator.get("files", [])}
    data.update(literal.split("=", 1) for literal in generator.get("literals", []))
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": generator["name"]}, "data": data}


def _only(made, kind, name):
    (found,) = [d for d in made if d["kind"] == kind and d["metadata"]["name"] == name]
    return found


def _patch(made, folder, patch):
    (content,) = documents(folder / patch["path"])
    if isinstance(content, dict):
        assert content.pop("$patch") == "delete" and content.keys() == {"apiVersion", "kind", "metadata"}
        made.remove(_only(made, content["kind"], content["metadata"]["name"]))
        return
    for operation in content:
        way = [step.replace("~1", "/") for step in operation["path"].strip("/").split("/")]
        _change(_only(made, patch["target"]["kind"], patch["target"]["name"]), way, operation)


def _change(document, way, operation):
    """By RFC 6902."""
    at = document
    for step in way[:-1]:
        at = at[int(step) if isinstance(at, list) else step]
    if operation["op"] == "remove":
        del at[way[-1]]
    elif way[-1] == "-":
        at.append(operation["value"])
    else:
        assert operation["op"] == "add" and isinstance(at, dict)
        at[way[-1]] = operation["value"]


def _rename_image(container, images):
    for image in images:
        if container["image"].partition(":")[0] == image["name"]:
            container["image"] = f"{image['newName']}:{image['newTag']}"


def build(folder):
    """The manifests, each a dictionary."""
    return _build(folder, [])


def _build(folder, made):
    """With what a component is to change."""
    (settings,) = documents(next(folder.glob("[Kk]ustomization*")))
    known = {"apiVersion", "kind", "namespace", "resources", "configMapGenerator", "images", "components", "patches"}
    assert settings.keys() <= known, settings.keys() - known
    for resource in settings.get("resources", []):
        path = folder / resource
        made += build(path) if path.is_dir() else documents(path)
    made = copy.deepcopy(made)  # YAML's aliases
    for generator in settings.get("configMapGenerator", []):
        generated = _config_map(folder, generator)
        if generator.get("behavior") == "merge":
            _only(made, "ConfigMap", generator["name"])["data"].update(generated["data"])
        else:
            made.append(generated)
    for component in settings.get("components", []):
        made = _build(folder / component, made)
    for patch in settings.get("patches", []):
        _patch(made, folder, patch)
    for document in made:
        if document["kind"] == "Deployment":
            for container in document["spec"]["template"]["spec"]["containers"]:
                _rename_image(container, settings.get("images", []))
        if "namespace" in settings:
            document["metadata"]["namespace"] = settings["namespace"]
    return made
