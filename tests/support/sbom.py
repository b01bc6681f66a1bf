"""`python -m tests.support.sbom`: the bill of materials of a release, CycloneDX 1.6, on standard output.

What `requirements.lock` pins (with its hashes) and what the wheel brings with it; licences are read from the installed
packages. The same lock gives the same document. With `--licences`: a table for people.
"""

import hashlib
import json
import re
import sys
import tomllib
import uuid
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_IN_NPM = {"htmx": "htmx.org"}
# What packages write in place of an SPDX id.
_SPDX = {
    "0bsd": "0BSD",
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache-2.0": "Apache-2.0",
    "bsd license": "BSD-3-Clause",
    "bsd": "BSD-3-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mit": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "mpl-2.0": "MPL-2.0",
    "zero-clause bsd": "0BSD",
}


def pinned() -> list[tuple[str, str, list[str]]]:
    """Name, version and SHA-256 sums, as the lock has them; a name twice where Pythons differ."""
    found: list[tuple[str, str, list[str]]] = []
    for line in (ROOT / "requirements.lock").read_text("utf-8").splitlines():
        if start := _PINNED.match(line):
            found.append((plain(start[1]), start[2], []))
        if found:
            found[-1][2].extend(_HASH.findall(line))
    return found


def plain(name: str) -> str:
    """A package's name as it is compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def licence(name: str) -> str:
    """The SPDX expression of an installed package; empty: it is not installed here, or says nothing."""
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ""
    if given := about.get("License-Expression"):
        return given
    classified = [
        one.rpartition(" :: ")[2] for one in about.get_all("Classifier") or () if one.startswith("License ::")
    ]
    said = [one for one in [*classified, about.get("License") or ""] if one and one != "OSI Approved"]
    return next((_SPDX[one.strip().lower()] for one in said if one.strip().lower() in _SPDX), "")


def brought() -> Iterator[dict]:
    """What the wheel brings with it that others wrote: a file with its licence beside it."""
    for terms in sorted((ROOT / "worker").rglob("*.LICENSE.txt")):
        name = terms.name.removesuffix(".LICENSE.txt")
        (file,) = [one for one in terms.parent.glob(f"{name}.*") if one != terms]
        content = file.read_bytes()
        version = re.search(rb'version:"([0-9.]+)"', content)
        first = terms.read_text("utf-8").strip().splitlines()[0].lower()
        spdx = next((spdx for text, spdx in _SPDX.items() if text in first), "")
        number = version[1].decode() if version else ""
        purl = f"pkg:npm/{_IN_NPM.get(name, name)}"
        yield component(name, number, spdx, [hashlib.sha256(content).hexdigest()], purl)


def component(name: str, version: str, spdx: str, sums: list[str], purl: str) -> dict:
    """A component, as CycloneDX has it."""
    purl = f"{purl}@{version}"
    made: dict = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if sums:
        # of each file that may be installed: a package has no sum of its own
        made["externalReferences"] = [
            {"type": "distribution", "url": purl, "hashes": [{"alg": "SHA-256", "content": one}]} for one in sums
        ]
    if spdx:
        made["licenses"] = [{"expression": spdx}] if " " in spdx else [{"license": {"id": spdx}}]
    return made


def bill() -> dict:
    """The whole document."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    parts = [component(name, version, licence(name), sums, f"pkg:pypi/{name}") for name, version, sums in pinned()]
    root = component(project["name"], project["version"], project["license"], [], f"pkg:pypi/{project['name']}")
    refs: dict[str, list[str]] = {}
    for part in parts:
        refs.setdefault(part["name"], []).append(part["bom-ref"])
    vendored = list(brought())
    needs = {root["bom-ref"]: [*named(project["dependencies"], refs), *(one["bom-ref"] for one in vendored)]}
    for part in parts:
        try:
            required = metadata.requires(part["name"]) or []
        except metadata.PackageNotFoundError:
            required = []
        needs[part["bom-ref"]] = named([one for one in required if "extra ==" not in one], refs)
    body = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**root, "type": "application"}},
        "components": [*parts, *vendored],
        "dependencies": [{"ref": ref, "dependsOn": sorted(set(on))} for ref, on in needs.items()]
        + [{"ref": one["bom-ref"]} for one in vendored],
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(body, sort_keys=True))
    return {"$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "serialNumber": f"urn:uuid:{serial}", **body}


def named(requirements: list[str], refs: dict[str, list[str]]) -> list[str]:
    """The references of the packages that these requirements name, as far as they are pinned."""
    return [ref for one in requirements for ref in refs.get(plain(_NAME.match(one)[0]), ())]


def main(arguments: list[str]) -> None:
    """Print it."""
    document = bill()
    if arguments != ["--licences"]:
        print(json.dumps(document, indent=1))
        return
    for part in document["components"]:
        terms = [one.get("expression") or one["license"]["id"] for one in part.get("licenses", ())]
        print(f"{part['name']:32} {part['version']:14} {', '.join(terms) or '(not installed here)'}")


if __name__ == "__main__":
    main(sys.argv[1:])
