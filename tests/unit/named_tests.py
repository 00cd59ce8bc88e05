# SPDX-License-Identifier: Apache-2.0
"""Every test that docs/pitfalls.md and docs/tcp.md name exists under that name, and every behaviour of the latter has a script."""

import pathlib
import re
import sys

source = pathlib.Path(sys.argv[1])
tests = set()
for file in (source / "tests").rglob("*.cc"):
    for suite, name in re.findall(r"^(?:TYPED_)?TEST(?:_[FP])?\((\w+),\s*(\w+)\)", file.read_text(), re.MULTILINE):
        tests.add(f"{suite}.{name}")
files = {file.name for pattern in ("*.cc", "*.py", "*.tcp") for file in (source / "tests").rglob(pattern)}


def check(page, least):
    text = (source / "docs" / page).read_text()
    named = re.findall(r"`([A-Z]\w+\.[A-Z]\w+|[\w/-]+\.(?:cc|py|tcp))`", text)
    missing = [name for name in named if name not in tests and name.split("/")[-1] not in files]
    assert len(named) > least, f"only {len(named)} tests are named: has docs/{page} another form?"
    assert not missing, f"docs/{page} names what is no test: {missing}"
    return text


check("pitfalls.md", 50)
rows = re.findall(r"^\| ((?:[cd]\d+(?:, )?)+) \| (.*)$", check("tcp.md", 12), re.MULTILINE)
ids = {name: row for names, row in rows for name in names.split(", ")}
assert len(ids) == 31, f"docs/tcp.md has {len(ids)} behaviours"
# d17 names its test instead.
without = [name for name, row in ids.items() if not any(file.startswith(f"{name}-") for file in files) and "_test.cc" not in row]
assert not without, f"docs/tcp.md: no script for {without}"
