# SPDX-License-Identifier: Apache-2.0
"""Every test that docs/pitfalls.md names exists under that name."""

import pathlib
import re
import sys

source = pathlib.Path(sys.argv[1])
tests = set()
for file in (source / "tests").rglob("*.cc"):
    for suite, name in re.findall(r"^(?:TYPED_)?TEST(?:_[FP])?\((\w+),\s*(\w+)\)", file.read_text(), re.MULTILINE):
        tests.add(f"{suite}.{name}")
tests |= {file.name for file in (source / "tests").rglob("*.py")}

named = re.findall(r"`(\w+\.\w+)`", (source / "docs" / "pitfalls.md").read_text())
missing = [name for name in named if name not in tests]
assert len(named) > 50, f"only {len(named)} tests are named: has the page another form?"
assert not missing, f"docs/pitfalls.md names what is no test: {missing}"
