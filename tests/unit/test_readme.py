"""The repository's texts say what is true: links, commands, versions, and the map of the house."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import farframe

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
TEXTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|<img[^>]+src=\"([^\"]+)\"")
PICTURES = (".png", ".gif", ".jpg")
texts = pytest.mark.parametrize("path", TEXTS, ids=lambda p: str(p.relative_to(ROOT)))


def links(text: str) -> list[str]:
    """Targets inside the repository, without anchors."""
    found = [a or b for a, b in LINK.findall(text)]
    return [t.partition("#")[0] for t in found if "://" not in t and not t.startswith("#")]


def project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_readme_is_one_sitting_with_a_picture_near_the_top() -> None:
    lines = README.read_text().splitlines()
    assert len(lines) <= 200
    assert any(target.endswith(PICTURES) for target in links("\n".join(lines[:30])))


@texts
def test_links_lead_somewhere(path: Path) -> None:
    assert not [t for t in links(path.read_text()) if not (path.parent / t).exists()]


@texts
def test_make_targets_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:`|^)make(?: [A-Z]+=\S+)* ([a-z]+)", path.read_text(), re.MULTILINE)
    assert set(named) <= targets


def test_ci_runs_the_test_command_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert re.search(r"^exec make test$", script, re.MULTILINE)
    assert re.search(r"^make test\b", README.read_text(), re.MULTILINE)


def test_versions_agree() -> None:
    citation = (ROOT / "CITATION.cff").read_text()
    assert re.search(rf"^version: {re.escape(farframe.__version__)}$", citation, re.MULTILINE)
    assert re.search(r"^## \[Unreleased\]$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_constraints_pin_every_dependency_within_its_bounds() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    pins = {canonicalize_name(name): version for name, version in pins.items()}
    groups = project()
    needed = [*groups["dependencies"], *groups["optional-dependencies"]["dev"]]
    for requirement in map(Requirement, needed):
        version = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement}, pinned to {version}"


def test_every_core_dependency_is_justified() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = set(re.findall(r"^\| ([\w-]+) \|", text, re.MULTILINE))
    names = {Requirement(line).name for line in project()["dependencies"]}
    assert names == rows - {"package", "command", "folder"}


def test_the_map_of_the_house_is_the_house() -> None:
    """docs/architecture.md names every module once, and no module that is not there."""
    package = ROOT / "src" / "farframe"
    text = (ROOT / "docs" / "architecture.md").read_text()
    named = set(re.findall(r"`((?:[a-z_0-9]+/)?[a-z_0-9]+\.py)`", text))
    rows = re.findall(r"^\| `((?:[a-z_0-9]+/)?[a-z_0-9]+\.py)` \|", text, re.MULTILINE)
    assert sorted(rows) == sorted(set(rows)), "a module stands in two tables"
    files = {str(f.relative_to(package)) for f in package.rglob("*.py") if f.stat().st_size}
    assert named == files


def test_every_package_has_its_licence_told() -> None:
    """docs/licences.md lists all that constraints.txt installs; some machines need more."""
    rows = re.findall(
        r"^\| ([\w.-]+) \| .+ \| .+ \|$", (ROOT / "docs/licences.md").read_text(), re.M
    )
    listed = {canonicalize_name(name) for name in rows if name != "package"}
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    installed = {canonicalize_name(Requirement(line).name) for line in lines if line[:1] not in "#"}
    assert installed <= listed, installed - listed
