# SPDX-License-Identifier: Apache-2.0
"""Reads Prometheus' text exposition format, strictly: what breaks its rules is an error that shows the line."""

import re

LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\[\\n"])*"'
SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(%s(?:,%s)*)\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|NaN|[+-]Inf)' % (LABEL, LABEL))

def read(text):
    """Values by family and labels: {("weft_packets_total", (("worker", "0"), ...)): 7.0}."""
    assert text.endswith("\n"), "the last line has no end"
    values, types, helped = {}, {}, None
    family = None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            helped, said = line.split(" ", 3)[2:]
            assert said and helped not in types, line
        elif line.startswith("# TYPE "):
            family, kind = line.split(" ")[2:]
            assert family == helped and family not in types and kind in ("counter", "gauge"), line
            assert (kind == "counter") == family.endswith("_total"), line
            types[family] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match, f"not of the format: {line}"
            name, labels, value = match.groups()
            key = (name, tuple(re.findall(r'([a-zA-Z0-9_]+)="((?:[^"\\]|\\.)*)"', labels or "")))
            assert name == family and key not in values, line
            values[key] = float(value)
    return values
