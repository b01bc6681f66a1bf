"""The bill of materials of a release: all that is pinned and brought along, with sums and licences."""

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.support import sbom

ROOT = Path(__file__).parents[2]
# Terms that ask nothing of somebody who runs the relay, or changes only these packages' own files.
FREE = {
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0", "Unlicense"),
    *("Apache-2.0 WITH LLVM-exception", "ZPL-2.1", "Python-2.0"),
}


def terms(part):
    return [one.get("expression") or one["license"]["id"] for one in part.get("licenses", ())]


def test_it_has_every_package_of_the_lock_with_its_sums():
    """As CycloneDX 1.6 asks for it: references are unique, and every dependency refers to one of them."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.sbom"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    bill = json.loads(done.stdout)
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", bill["serialNumber"])
    locked = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    parts = bill["components"]
    assert {(sbom.plain(name), version) for name, version in locked} <= {(one["name"], one["version"]) for one in parts}
    assert all(part["externalReferences"] for part in parts)
    refs = [bill["metadata"]["component"]["bom-ref"], *(part["bom-ref"] for part in parts)]
    assert len(set(refs)) == len(refs) == len(bill["dependencies"])
    assert {ref for one in bill["dependencies"] for ref in [one["ref"], *one.get("dependsOn", ())]} == set(refs)
    assert json.dumps(sbom.bill(), indent=1) + "\n" == done.stdout


def test_what_is_brought_along_has_a_version_and_its_licence():
    """Each minified file of others has its terms beside it."""
    minified = {path.name.removesuffix(".min.js") for path in (ROOT / "worker").rglob("*.min.js")}
    brought = {part["name"]: part for part in sbom.brought()}
    assert minified <= set(brought)
    assert all(part["version"] and terms(part) for part in brought.values())


def test_no_licence_asks_anything_of_who_runs_it():
    """A package under other terms, or without any, is a decision to be made by a person."""
    for part in sbom.bill()["components"]:
        for expression in terms(part):
            names = re.split(r"\s+(?:AND|OR)\s+", re.sub(r"[()]", "", expression))
            assert set(names) <= FREE, part["name"]
