"""What the documents say of the tree is true."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("bench/*.md")]


def rows(heading):
    section = ARCHITECTURE.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize("behaviour, place", rows("Where is …?"))
def test_where_is(behaviour, place):
    path = ROOT / place.strip("`")
    assert path.is_dir() if place.endswith("/`") else path.is_file(), behaviour


def test_every_dependency_has_a_reason():
    manifests = ROOT.glob("crates/*/Cargo.toml")
    used = set()
    for manifest in manifests:
        for section in re.findall(
            r"^\[(?:workspace\.)?dependencies\]\n(.*?)(?=^\[|\Z)", manifest.read_text(), re.M | re.S
        ):
            used |= set(re.findall(r"^([a-z0-9_-]+)[ .]", section, re.M))
    used = {name for name in used if not name.startswith("oxicorn")}
    assert used == {name for name, _ in rows("Dependencies")}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), target
