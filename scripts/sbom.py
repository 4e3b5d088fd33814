"""sbom.py INSTALLED VERSION OUT: the bill of materials of what `make install DESTDIR=INSTALLED` has installed, as CycloneDX 1.6 in
JSON: each program, plugin and library with its SHA-256, the Debian packages of the shared libraries that they load, in turn, with
version and licences, and who loads what. The same files on the same system make the same bytes."""

import functools
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import uuid
from datetime import UTC, datetime

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}).stdout


def is_elf(path):
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def needed(path):
    """The names of the libraries that an ELF file asks for itself."""
    return re.findall(r"\(NEEDED\).*\[(.+)\]", output_of("readelf", "-d", path))


@functools.cache
def found(path):
    """Where the loader finds each library that an ELF file loads, in turn: {name: path}."""
    return dict(re.findall(r"^\s*(\S+) => (/\S+)", output_of("ldd", path), re.MULTILINE))


@functools.cache
def package_of(library):
    """(name, version, architecture) of the Debian package that brought a library; the first that knows its path, or its real one."""
    for path in (pathlib.Path(library).resolve(), library, str(library).removeprefix("/usr")):
        done = subprocess.run(["dpkg-query", "-S", path], capture_output=True, text=True)
        if done.returncode == 0:
            name = done.stdout.partition(": ")[0].split(",")[0].strip()
            return tuple(output_of("dpkg-query", "-W", "-f", "${Package} ${Version} ${Architecture}", name).split())
    sys.exit(f"sbom.py: no package of this system brought {library}")


def licences_of(package):
    """The short names of the licences in a package's copyright file, where that can be read by machines."""
    text = pathlib.Path("/usr/share/doc", package, "copyright").read_text(errors="replace")
    if not text.startswith("Format:"):
        return []
    return sorted(set(re.findall(r"^License: *(\S.*?)\s*$", text, re.MULTILINE)))


@functools.cache
def distribution():
    named = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', pathlib.Path("/etc/os-release").read_text(), re.MULTILINE))
    return f"{named['ID']}-{named['VERSION_ID']}"


@functools.cache
def library_component(package):
    name, version, architecture = package
    purl = PackageURL("deb", "debian", name, version, {"arch": architecture, "distro": distribution()})
    licences = [DisjunctiveLicense(name=licence) for licence in licences_of(name)]
    return Component(
        type=ComponentType.LIBRARY, name=name, version=version, purl=purl, bom_ref=str(purl), licenses=licences
    )


def file_component(path, installed):
    name = str(path.relative_to(installed))
    digest = HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256(path.read_bytes()).hexdigest())
    return Component(type=ComponentType.FILE, name=name, bom_ref=f"file:{name}", hashes=[digest])


def add_libraries(bom, component, path, of):
    """Writes down what the ELF file `path` of `component` loads, and what that loads; `of` has who was written down."""
    loaded = found(path)
    for name in needed(path):
        if name not in loaded:  # the loader itself
            continue
        package = package_of(loaded[name])
        library = library_component(package)
        bom.components.add(library)
        bom.register_dependency(component, [library])
        if loaded[name] not in of:
            of.add(loaded[name])
            add_libraries(bom, library, loaded[name], of)


def bill(installed, version):
    bom = Bom()
    made_at = int(os.environ.get("SOURCE_DATE_EPOCH") or 0)
    bom.metadata.timestamp = datetime.fromtimestamp(made_at, UTC)
    product = Component(
        type=ComponentType.APPLICATION,
        name="churnd",
        version=version,
        purl=PackageURL("generic", None, "churnd", version),
        bom_ref=f"churnd@{version}",
        licenses=[DisjunctiveLicense(id="Apache-2.0")],
    )
    bom.metadata.component = product
    known = set()
    for path in sorted(p for p in installed.rglob("*") if p.is_file() and not p.is_symlink() and is_elf(p)):
        component = file_component(path, installed)
        bom.components.add(component)
        bom.register_dependency(product, [component])
        add_libraries(bom, component, path, known)
    bom.serial_number = uuid.UUID(int=0)
    content = JsonV1Dot6(bom).output_as_string()
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_OID, content)
    return bom


def main():
    installed, version, out = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
    text = JsonV1Dot6(bill(installed, version)).output_as_string(indent=2) + "\n"
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if wrong is not None:
        sys.exit(f"sbom.py: what was made is no CycloneDX: {wrong}")
    out.write_text(text)


if __name__ == "__main__":
    main()
