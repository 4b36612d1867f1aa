from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from sandbox_exporter.vendors import VENDORS, Vendor

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "adding-a-vendor.md").read_text(encoding="utf-8")


def test_the_files_that_it_names_exist() -> None:
    """Whoever follows the steps finds each file."""
    named = re.findall(r"`((?:exporter|tests|docs)/[\w/.-]+\.\w+|CHANGELOG\.md)`", TEXT)
    assert len(set(named)) > 15
    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_it_explains_every_field_of_the_descriptor() -> None:
    """What a vendor has to say is all there."""
    rows = re.findall(r"^\| (`.*?`) \|", TEXT, re.MULTILINE)
    explained = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert explained == {field.name for field in dataclasses.fields(Vendor)}


def test_every_vendor_is_a_folder_of_its_name() -> None:
    """Nothing of a vendor stands elsewhere in the exporter."""
    vendors = ROOT / "exporter" / "sandbox_exporter" / "vendors"
    folders = {path.parent.name for path in vendors.glob("*/__init__.py")}
    assert folders == set(VENDORS)
    words = re.compile("|".join(VENDORS), re.IGNORECASE)
    elsewhere = [
        str(path.relative_to(ROOT))
        for path in (vendors.parent).rglob("*.py")
        if not any(folder in path.parts for folder in folders)
        and path != vendors / "__init__.py"
        and words.search(path.read_text(encoding="utf-8"))
    ]
    assert elsewhere == []
