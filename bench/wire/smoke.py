# SPDX-License-Identifier: Apache-2.0
"""The bed of scripts/bench wire carries packets: weftd with huge pages, memif without copies, a generator that finds every
packet again, translated and with right checksums."""

import os
import sys

import lab
from bed import MEMORY_MIB, Weft
from huge_pages import HugePages

try:
    pages = None if os.environ.get(lab.IN_LAB) else HugePages(MEMORY_MIB // 2 + 16)
    lab.enter()
    bed = Weft(flow_capacity=1 << 16)
except SystemExit as end:
    if isinstance(end.code, str):  # no pages, or not enough cores
        print(end.code)
        sys.exit(lab.SKIPPED)
    raise
bed.warm(1000)
result = bed.order(1000, 20_000, 200, "check")
assert result["offered"] > 0, result
assert result["refused"] + result["received"] == result["offered"], f"weft lost packets: {result}"
assert result["wrong"] == result["untouched"] == 0, result
bed.stop()
