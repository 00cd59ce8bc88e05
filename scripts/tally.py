# SPDX-License-Identifier: Apache-2.0
"""scripts/test's closing line: counts every test case in JUnit files. Exits with 1 if any failed or was
skipped, or if none ran.

tally.py OTHER_FAILURES FILE...    OTHER_FAILURES: steps that failed, be it without a test case to show for it
"""

import sys
import xml.etree.ElementTree as xml

passed = failed = skipped = 0
for name in sys.argv[2:]:
    for case in xml.parse(name).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
            print(f"FAILED: {case.get('classname')} {case.get('name')}")
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
failed = max(failed, int(sys.argv[1]))
print(f"{passed} passed, {failed} failed, {skipped} skipped")
# scripts/test installs what tests need and asks for root: a test that could not run is no success.
sys.exit(1 if failed or skipped or not passed else 0)
