#!/usr/bin/env python3
"""Writes the dictionaries of this folder from XML ones.

    pip download --no-deps --no-binary :all: quickfix==1.16.0
    tar xzf quickfix-1.16.0.tar.gz
    python3 convert.py quickfix-1.16.0/spec

Only facts are taken: numbers, names, types, permitted values, and what belongs to which message.

Form of a line (mod.rs reads it):
    v NAME                     the version
    f TAG NAME TYPE [VALUES]   a field; VALUES are parted by commas
    c NAME ITEMS               a component
    h ITEMS / t ITEMS          header and trailer
    a TYPE NAME ITEMS          an administrative message
    m TYPE NAME ITEMS          an application message
An item is TAG, @COMPONENT or TAG( ITEMS ) for a group; `?` behind the tag or name makes it optional.
"""
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

VERSIONS = ["FIX42", "FIX43", "FIX44", "FIX50", "FIX50SP1", "FIX50SP2", "FIXT11"]


def version(root):
    name = "{type}.{major}.{minor}".format(**root.attrib)
    pack = root.get("servicepack", "0")
    return name if pack == "0" else f"{name}SP{pack}"


def items(parent, numbers):
    out = []
    for child in parent:
        optional = "" if child.get("required", "N").upper() == "Y" else "?"
        if child.tag == "component":
            out.append(f"@{child.get('name')}{optional}")
            continue
        out.append(f"{numbers[child.get('name')]}{optional}")
        if child.tag == "group":
            out[-1] += "("
            out += items(child, numbers) + [")"]
    return out


def values(field):
    found = [value.get("enum") for value in field.iter("value")]
    # A value of several words describes a set that is kept elsewhere ("ISO Country Code"), so the list is open.
    return [] if any(" " in value for value in found) else list(dict.fromkeys(found))


def convert(root):
    fields = sorted(root.find("fields"), key=lambda field: int(field.get("number")))
    numbers = {field.get("name"): field.get("number") for field in fields}
    lines = [f"v {version(root)}"]
    for field in fields:
        parts = ["f", field.get("number"), field.get("name"), field.get("type"), ",".join(values(field))]
        lines.append(" ".join(part for part in parts if part))
    for component in sorted(root.find("components"), key=lambda each: each.get("name")):
        lines.append(" ".join(["c", component.get("name")] + items(component, numbers)))
    for tag, letter in (("header", "h"), ("trailer", "t")):
        if len(root.find(tag)):
            lines.append(" ".join([letter] + items(root.find(tag), numbers)))
    for message in root.find("messages"):
        letter = "a" if message.get("msgcat") == "admin" else "m"
        lines.append(" ".join([letter, message.get("msgtype"), message.get("name")] + items(message, numbers)))
    return "\n".join(lines) + "\n"


def main():
    folder = Path(sys.argv[1])
    for name in VERSIONS:
        text = convert(ET.parse(folder / f"{name}.xml").getroot())
        (Path(__file__).parent / f"{name.lower()}.txt").write_text(text)


main()
