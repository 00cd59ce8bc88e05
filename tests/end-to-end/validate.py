# SPDX-License-Identifier: Apache-2.0
"""weftctl validate, without a node: what is wrong with a file, a folder or standard input, and the exit code."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

WEFTCTL = Path(os.environ["WEFT_BUILD"]) / "weftctl"
SERVICE = """apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  clusterIP: 10.96.0.10
  ports: [{port: 80}]
"""
ORPHAN = """{"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "endpoints": [],
 "metadata": {"name": "a", "labels": {"kubernetes.io/service-name": "none"}}, "ports": [{"port": 80}]}"""

def validate(*arguments, text=""):
    done = subprocess.run([WEFTCTL, "validate", *arguments], input=text, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    assert validate("-f", folder) == (2, "", f"{folder}: holds no *.yaml, *.yml or *.json\n")
    good = folder / "web.yaml"
    good.write_text(SERVICE)
    assert validate("-f", good) == (0, "good: 1 document in 1 file, 0 warnings\n", "")

    bad = folder / "bad.yaml"
    bad.write_text(SERVICE.replace("80", "eighty"))
    message = f'{bad}:6: spec.ports[0].port: expected an integer from 1 to 65535, got "eighty"\n'
    assert validate("-f", bad) == (1, message + "not good: 1 error\n", "")
    code, said, _ = validate("-f", folder, "--json")
    answer = json.loads(said)
    assert code == 1 and not answer["valid"] and answer["files"] == 2 and answer["services"] == 1, answer
    assert [(error["file"], error["line"], error["field"]) for error in answer["errors"]] == [
        (str(bad), 6, "spec.ports[0].port")], answer

    # Two good files that contradict each other.
    bad.write_text(SERVICE)
    code, said, _ = validate("-f", folder)
    assert code == 1 and f"{good}:1: metadata.name: duplicate Service default/web; the first is at {bad}:1\n" in said, said

    code, said, _ = validate("-f", "-", text=ORPHAN)
    assert code == 0, said
    assert said.startswith("warning: standard input:1: metadata.labels: there is no service default/none (yet)\n"), said
    code, said, _ = validate("-f", "-", text="a: [")
    assert code == 1 and said.startswith("standard input:1: not valid YAML: "), said

    assert validate("-f", folder / "none.yaml") == (2, "", f"{folder}/none.yaml: cannot be read: No such file or directory\n")
    assert validate()[0] == 2 and validate("-x") == (2, "", "error: -x is not known as an option: --help says what is\n")
    for nothing in ("", "# none\n", "---\n"):
        assert validate("-f", "-", text=nothing) == (2, "", "standard input: holds no document\n"), nothing
    assert validate("--help")[0] == 0
