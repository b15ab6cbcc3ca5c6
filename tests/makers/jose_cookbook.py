"""The JOSE cookbook's signatures (RFC 7520, section 4), as jwcrypto's own tests hold them: a JSON file for each.

Usage: python jose_cookbook.py OUT_FOLDER

Section 4's constants are evaluated, and nothing else of the tests.
"""

import ast
import base64
import importlib.util
import json
import os
import re
import sys

# Names end with the section of their constant: keys are in section 3.
SECTIONS = re.compile(r"^([A-Za-z]+_)+(b64_)?[34](_\d)*$")
# Section: the key that verifies.
KEYS = {
    "4_1": "RSA_Public_Key_3_3",
    "4_2": "RSA_Public_Key_3_3",
    "4_3": "EC_Public_Key_3_1",
    "4_4": "Symmetric_Key_MAC_3_5",
    "4_6": "Symmetric_Key_MAC_3_5",
    "4_7": "Symmetric_Key_MAC_3_5",
}


def assignments(path):
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    names = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and SECTIONS.search(node.targets[0].id):
            exec(compile(ast.Module([node], []), path, "exec"), {"__builtins__": {}}, names)
    return names


def main(out_folder):
    package = os.path.dirname(importlib.util.find_spec("jwcrypto").origin)
    names = assignments(os.path.join(package, "tests-cookbook.py"))
    payload = names["Payload_plaintext_b64_4"]
    payload = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode()
    os.makedirs(os.path.join(out_folder, "jws"), exist_ok=True)
    for section, key in KEYS.items():
        vector = {
            "input": {"payload": payload, "key": names[key]},
            "output": {
                "compact": names.get(f"JWS_compact_{section}_3"),
                "json": names[f"JWS_general_{section}_3"],
                "json_flat": names[f"JWS_flattened_{section}_3"],
            },
        }
        with open(os.path.join(out_folder, "jws", f"{section}.json"), "w", encoding="utf-8") as out:
            json.dump(vector, out)


if __name__ == "__main__":
    main(sys.argv[1])
