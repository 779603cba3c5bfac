"""Tell GitLab or GitHub what a pipeline found. It needs Python and nothing else, and never talks to a meter.

ci/tell.py plan FILE...      the files as one comment of the merge request, written anew each time
ci/tell.py audit FOLDER      one issue, open for as long as the last audit was not compliant
"""

import json
import os
import re
import sys
import urllib.request
from pathlib import Path

LABEL = "meter-audit"
MARK = "<!-- plan of the meters -->"
MOST = 60000  # characters; GitHub takes 65536
ENV = os.environ


def call(method, path, body=None):
    """One request to the project's API."""
    request = urllib.request.Request(BASE + path, method=method, data=None if body is None else json.dumps(body).encode())
    for name, value in {**HEADERS, "Content-Type": "application/json"}.items():
        request.add_header(name, value)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def text(*files):
    """The files as one text: short enough, and no line of it is a command to the forge."""
    parts = []
    for name in files:
        part = Path(name).read_text(encoding="utf-8")
        if len(part) > MOST // len(files):
            part = part[: MOST // len(files)].rpartition("\n")[0] + "\n\n(cut off here; the whole is in the job's files)\n"
        parts.append(f"```text\n{part}```\n" if Path(name).suffix == ".env" else part)
    return re.sub(r"^(\s*)/", r"\1\\/", "\n".join(parts), flags=re.M)


def comment(body):
    """One comment of the merge request, ours of before or a new one."""
    body = f"{MARK}\n{body}"
    old = [item for item in call("GET", f"{REQUEST}?per_page=100") if item["body"].startswith(MARK)]
    if not old:
        call("POST", REQUEST, {"body": body})
    else:
        call(UPDATE, f"{ONE_COMMENT}/{old[0]['id']}", {"body": body})


def finding(title, body):
    """Open the issue, bring it up to date, or close it where there is nothing to tell (no title)."""
    known = [item for item in call("GET", f"/issues?labels={LABEL}&state={OPEN}") if "pull_request" not in item]
    if not known and title:
        call("POST", "/issues", {"title": title, BODY: body, "labels": LABELS})
    elif known and title:
        if known[0][BODY] != body:
            call(UPDATE, f"/issues/{known[0][NUMBER]}", {"title": title, BODY: body})
    elif known:
        call("POST", f"/issues/{known[0][NUMBER]}/{NOTES}", {"body": "All meters are compliant again."})
        call(UPDATE, f"/issues/{known[0][NUMBER]}", CLOSE)


def audited(folder):
    """Title and text of what an audit found; no title where all is good. An audit without a result is no good one."""
    where = f"\n\nPipeline: {PAGE}\n"
    if not (Path(folder) / "audit.json").exists():
        return "Meters: the audit did not end", "There is no result. The log of the job says why." + where
    document = json.loads((Path(folder) / "audit.json").read_text(encoding="utf-8"))
    if document["verdict"] == "compliant":
        return "", ""
    count = document["totals"]["meters"]
    bad = count - document["totals"]["verdicts"]["compliant"]
    return f"Meters: {document['verdict']}, {bad} of {count} not compliant", text(Path(folder) / "audit.md") + where


if ENV.get("GITLAB_CI"):
    BASE = f"{ENV['CI_API_V4_URL']}/projects/{ENV['CI_PROJECT_ID']}"
    HEADERS = {"PRIVATE-TOKEN": ENV["METERING_FORGE_TOKEN"]}
    REQUEST = ONE_COMMENT = f"/merge_requests/{ENV.get('CI_MERGE_REQUEST_IID')}/notes"
    OPEN, BODY, NUMBER, NOTES, LABELS, UPDATE, CLOSE = "opened", "description", "iid", "notes", LABEL, "PUT", {"state_event": "close"}
    PAGE = ENV["CI_PIPELINE_URL"]
else:
    BASE = f"{ENV['GITHUB_API_URL']}/repos/{ENV['GITHUB_REPOSITORY']}"
    HEADERS = {
        "Authorization": f"Bearer {ENV['GITHUB_TOKEN']}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    REQUEST, ONE_COMMENT = f"/issues/{ENV['GITHUB_REF'].split('/')[2]}/comments", "/issues/comments"
    OPEN, BODY, NUMBER, NOTES, LABELS, UPDATE, CLOSE = "open", "body", "number", "comments", [LABEL], "PATCH", {"state": "closed"}
    PAGE = f"{ENV['GITHUB_SERVER_URL']}/{ENV['GITHUB_REPOSITORY']}/actions/runs/{ENV['GITHUB_RUN_ID']}"

if sys.argv[1] == "plan":
    comment(text(*sys.argv[2:]))
else:
    finding(*audited(sys.argv[2]))
