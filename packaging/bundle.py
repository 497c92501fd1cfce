#!/usr/bin/env python3
"""Packs the program as an MCP bundle, which Claude Desktop and others install (the format is MCPB, manifest 0.3).

Usage: bundle.py PROGRAM TARGET.  Needs Python, and Rust for the licences. The same program gives the same bytes.
"""

import json
import os
import re
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

PLATFORMS = {b"\x7fELF": "linux", b"\xcf\xfa\xed\xfe": "darwin"}
MOMENT = (1980, 1, 1, 0, 0, 0)  # the first that a ZIP archive can have

SIDE, FINE = 128, 4  # of the icon: points, and how many lines each point is drawn of
BLUE, PAPER, GREY = (42, 93, 143), (251, 250, 247), (168, 180, 194)  # as in src/pages/style.css


def shade(x, y):
    """The colour of the icon at a place between 0 and 1; None where there is none: a page with a keyhole."""
    dx, dy = max(abs(x - 0.5) - 0.34, 0), max(abs(y - 0.5) - 0.34, 0)
    if dx * dx + dy * dy > 0.16**2:
        return None
    if not (0.26 < x < 0.74 and 0.18 < y < 0.82):
        return BLUE
    if (x - 0.5) ** 2 + (y - 0.44) ** 2 < 0.075**2 or (0.44 < y < 0.62 and abs(x - 0.5) < 0.02 + (y - 0.44) * 0.2):
        return BLUE
    if 0.33 < x < 0.67 and any(abs(y - line) < 0.012 for line in (0.27, 0.69, 0.75)):
        return GREY
    return PAPER


def icon():
    """A PNG file. Each point is the mean of FINE * FINE places."""
    rows = b""
    for row in range(SIDE):
        rows += b"\0"
        for column in range(SIDE):
            places = [(column + (i + 0.5) / FINE, row + (j + 0.5) / FINE) for i in range(FINE) for j in range(FINE)]
            seen = [colour for x, y in places if (colour := shade(x / SIDE, y / SIDE))]
            mean = [sum(part) // len(seen) for part in zip(*seen)] if seen else [0, 0, 0]
            rows += bytes([*mean, 255 * len(seen) // len(places)])

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def manifest(version, platform):
    return {
        "manifest_version": "0.3",
        "name": "epicme",
        "display_name": "EpicMe Journal",
        "version": version,
        "description": "A private journal that you write, search and look back over in a conversation.",
        "long_description": (
            "Your journal is one file on your own machine. This program opens it, or goes through the epicme server "
            "that has it open, and checks each request by your token.\n\n"
            "Make the file and the token on the command line first, with the same program:\n\n"
            "    epicme user add you@example.com --database journal.db\n"
            "    epicme token create you@example.com --database journal.db"
        ),
        "author": {"name": "The epicme authors"},
        "license": "MIT",
        "keywords": ["journal", "diary", "notes", "private"],
        "icon": "icon.png",
        "server": {
            "type": "binary",
            "entry_point": "server/epicme",
            "mcp_config": {
                "command": "${__dirname}/server/epicme",
                "args": ["stdio", "--database", "${user_config.database}"],
                "env": {"EPICME_TOKEN": "${user_config.token}"},
            },
        },
        "tools_generated": True,
        "prompts_generated": True,
        "compatibility": {"platforms": [platform]},
        "user_config": {
            "database": {
                "type": "file",
                "title": "Journal",
                "description": "The file of the journal, as epicme user add made it",
                "required": True,
            },
            "token": {
                "type": "string",
                "title": "Token",
                "description": "What epicme token create EMAIL printed",
                "sensitive": True,
                "required": True,
            },
        },
    }


def main():
    program, target = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2])
    platform = PLATFORMS.get(program[:4])
    if not platform:
        sys.exit(f"{sys.argv[1]} is no program for Linux or macOS")
    root = Path(__file__).parent.parent
    version = re.search(r'^version = "(.*)"$', (root / "Cargo.toml").read_text(), re.MULTILINE)[1]
    crates = os.environ.get("CARGO_HOME") or Path.home() / ".cargo"
    licences = subprocess.run([root / "packaging/licences.sh", crates], cwd=root, check=True, stdout=subprocess.PIPE)
    text = json.dumps(manifest(version, platform), indent=2) + "\n"
    # The last part is the mode of the file: the client that unpacks it runs the program.
    members = [
        ("manifest.json", text.encode(), 0o644),
        ("icon.png", icon(), 0o644),
        ("LICENSE", (root / "LICENSE").read_bytes(), 0o644),
        ("THIRD-PARTY-LICENSES", licences.stdout, 0o644),
        ("server/epicme", program, 0o755),
    ]
    part = target.with_name(target.name + ".part")
    with zipfile.ZipFile(part, "w") as bundle:
        for name, data, mode in members:
            member = zipfile.ZipInfo(name, MOMENT)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = 3  # Unix, without which the mode means nothing
            member.external_attr = (0o100000 | mode) << 16
            bundle.writestr(member, data, compresslevel=9)
    part.replace(target)


main()
