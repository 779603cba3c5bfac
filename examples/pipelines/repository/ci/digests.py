"""Print the digests of the plans in a folder, as NAME=VALUE."""

import json
import sys
from pathlib import Path

for name, file in {"METERING_PLAN_DIGEST": "plan.json", "METERING_SECURITY_PLAN_DIGEST": "security-plan.json"}.items():
    print(f"{name}={json.loads((Path(sys.argv[1]) / file).read_text(encoding='utf-8'))['digest']}")
