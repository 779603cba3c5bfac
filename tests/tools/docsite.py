# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Builds the documentation as a website below build/docsite: ``make docs``.

The guides are the Markdown files of docs/ as they are, so that they read the same on a forge; antsibull-docs adds a page for each
module, plugin and role. The order of the navigation is that of the lists in docs/README.md. Sphinx's warnings are errors. Afterwards
every link inside the site is followed: it must lead to a page and an anchor that exist, every page must be reachable from the landing
page, and nothing may be loaded from elsewhere.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "build" / "docsite"
SOURCE, PLUGINS, HTML = SITE / "source", SITE / "plugins", SITE / "html"
COLLECTION = "gridops.metering"
#: Kinds of plugins that have pages, by their folder.
KINDS = ("modules", "filter", "inventory", "lookup", "callback")
FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.M | re.S)
LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.I)


class SiteError(Exception):
    """Why there is no site, in a sentence."""


# The source of the site: Markdown of the repository, moved to where its page shall be.


def place(path: Path) -> Path:
    """Where a file of the repository goes in the site; the landing page is docs/README.md."""
    if path == Path("docs/README.md"):
        return Path("index.md")
    return path.relative_to("docs") if path.parts[0] == "docs" else Path("repository") / path


def move_links(text: str, page: Path, follow: set[Path], faults: list[str]) -> str:
    """Point the relative links of a page to where their targets go; ``follow`` gathers these, ``faults`` what leads nowhere."""

    def moved(match: re.Match[str]) -> str:
        target, mark, anchor = match[1].partition("#")
        if not target or SCHEME.match(match[1]):
            return match[1]
        path = Path(os.path.normpath(page.parent / target))
        if (ROOT / path).is_dir():
            path = path / "README.md"
        if not ((ROOT / path).is_file() or (path.name == "README.md" and (ROOT / path.parent).is_dir())):
            faults.append(f"{page}: {match[1]} leads nowhere")
            return match[1]
        follow.add(path)
        return os.path.relpath(place(path), place(page).parent) + mark + anchor

    parts, start = [], 0
    for fence in FENCE.finditer(text):
        parts += [LINK.sub(moved, text[start : fence.start()]), fence[0]]
        start = fence.end()
    return "".join([*parts, LINK.sub(moved, text[start:])])


def words(page: Path) -> str:
    """The text of a page without the comments at its head; for a folder without a page its files."""
    if (ROOT / page).is_file():
        return re.sub(r"\A(?:<!--.*?-->\s*)+", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.S)
    return listing(page.parent)


def listing(folder: Path) -> str:
    """A list of the files in a folder, with links."""
    names = sorted(path.name for path in (ROOT / folder).iterdir() if path.is_file())
    return "\n".join([f"# {folder}", "", *(f"- [{name}]({name})" for name in names), ""])


def lists(text: str) -> Iterator[tuple[str, list[str]]]:
    """(heading, linked pages) of each section of an index page; links to files that are no pages are left out."""
    for section in re.split(r"^#+ ", text, flags=re.M)[1:]:
        heading, dummy, body = section.partition("\n")
        found = [link.partition("#")[0] for line in re.findall(r"^\s*(?:[-*]|\d+\.) .*$", body, re.M) for link in LINK.findall(line)]
        yield heading.strip(), [link for link in dict.fromkeys(found) if link.endswith(".md") and not SCHEME.match(link)]


def toctree(caption: str, pages: list[str]) -> str:
    options = [":hidden:", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["", "```{toctree}", *options, "", *pages, "```", ""])


def navigation(text: str, landing: bool) -> str:
    """The navigation of an index page: one tree for each of its lists, and the reference below the landing page."""
    seen: set[str] = set()
    trees = []
    for heading, pages in lists(text):
        fresh = [page.removesuffix(".md") for page in pages if page not in seen and not page.startswith("..")]
        seen.update(pages)
        if fresh:
            trees.append(toctree(heading if landing else "", fresh))
    if landing:
        trees.append(
            toctree("Reference", ["Modules, plugins and roles <plugins/index>", "Environment variables <plugins/environment_variables>"])
        )
    return "".join(trees)


def stage() -> list[str]:
    """Write the source anew and return what is wrong with it; pages outside docs/ come in when a page links to them."""
    faults: list[str] = []
    shutil.rmtree(SOURCE, ignore_errors=True)
    waiting = {path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*") if path.suffix in (".md", ".png", ".svg")}
    done: set[Path] = set()
    while waiting:
        page = waiting.pop()
        done.add(page)
        out = SOURCE / place(page)
        out.parent.mkdir(parents=True, exist_ok=True)
        if page.suffix != ".md":
            shutil.copyfile(ROOT / page, out)
            continue
        follow: set[Path] = set()
        text = move_links(words(page), page, follow, faults)
        if page.name == "README.md" and page.parts[0] == "docs":
            text += navigation(text, page == Path("docs/README.md"))
        elif page.parts[0] != "docs":
            text = "---\norphan: true\n---\n" + text
        out.write_text(text, encoding="utf-8")
        waiting |= follow - done
    return faults


# The pages of modules, plugins and roles.


def fingerprint() -> str:
    """Changes when a page of a plugin may; ansible-doc takes longer than all the rest."""
    sources = [ROOT / "galaxy.yml", *(ROOT / "plugins").rglob("*.py"), *(ROOT / "roles").glob("*/meta/*.yml"), Path(__file__)]
    lines = [f"{path}:{hashlib.sha256(path.read_bytes()).hexdigest()}" for path in sorted(sources) if "_engine" not in path.parts]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def plugin_pages() -> None:
    """Let antsibull-docs write its pages, unless nothing changed since it did; then put them into the source."""
    stamp, now = PLUGINS / "stamp", fingerprint()
    if not (stamp.is_file() and stamp.read_text(encoding="utf-8") == now):
        shutil.rmtree(PLUGINS, ignore_errors=True)
        PLUGINS.mkdir(parents=True)
        PLUGINS.chmod(0o700)
        own = str(Path(sys.executable).parent)
        env = {**os.environ, "PATH": os.pathsep.join([own, os.environ.get("PATH", os.defpath)])}
        command = [
            f"{own}/antsibull-docs",
            "collection",
            "--use-current",
            "--squash-hierarchy",
            "--fail-on-error",
            "--no-add-antsibull-docs-version",
        ]
        done = subprocess.run([*command, "--dest-dir", PLUGINS, COLLECTION], env=env, stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise SiteError(f"antsibull-docs ended with {done.returncode}")
        stamp.write_text(now, encoding="utf-8")
    (SOURCE / "plugins").mkdir()
    for page in PLUGINS.glob("*.rst"):
        # The theme has its own table of contents.
        text = re.sub(r"^\.\. contents::\n(?:   .*\n)*", "", page.read_text(encoding="utf-8"), flags=re.M)
        (SOURCE / "plugins" / page.name).write_text(text, encoding="utf-8")


def reference() -> dict[str, str]:
    """Name of each plugin and role -> its page, as the folders have them."""
    pages = {}
    for kind in KINDS:
        for path in (ROOT / "plugins" / kind).glob("[a-z]*.py"):
            pages[path.stem] = f"plugins/{path.stem}_{kind.removesuffix('s')}"
    return pages | {
        path.parent.parent.name: f"plugins/{path.parent.parent.name}_role" for path in (ROOT / "roles").glob("*/meta/argument_specs.yml")
    }


def named() -> dict[str, str]:
    """The pages whose names stand for nothing else in a guide: a filter may be called as a fact is."""
    return {name: page for name, page in reference().items() if not page.endswith("_filter")}


def codes() -> set[str]:
    """The reason codes, out of their page."""
    return set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "reason-codes.md").read_text(encoding="utf-8"), re.M))


# Links of the finished site.


class Page:
    """What a page of the site holds: anchors, links inside the site, and what it loads."""

    def __init__(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        self.anchors = set(re.findall(r'\bid="([^"]+)"', text))
        self.links = [link for link in re.findall(r'<a\b[^>]*\bhref="([^"]+)"', text) if not SCHEME.match(link)]
        loads = re.findall(r'<(?:img|script|iframe|source)\b[^>]*\bsrc="([^"]+)"', text) + re.findall(r'<link\b[^>]*\bhref="([^"]+)"', text)
        self.loads = [load for load in loads if not load.startswith("data:")]


def check() -> list[str]:
    """What is wrong with the links of the site, a sentence each."""
    pages = {path: Page(path) for path in sorted(HTML.rglob("*.html"))}
    faults = []
    reached, waiting = set(), [HTML / "index.html"]
    while waiting:
        path = waiting.pop()
        reached.add(path)
        name = path.relative_to(HTML)
        for link in pages[path].links:
            target, dummy, anchor = link.partition("#")
            aim = Path(os.path.normpath(path.parent / target)) if target else path
            if not aim.is_file():
                faults.append(f"{name}: {link} leads nowhere")
            elif anchor and aim in pages and anchor not in pages[aim].anchors:
                faults.append(f"{name}: {link}: no such anchor")
            elif aim in pages and aim not in reached and aim not in waiting:
                waiting.append(aim)
        for load in pages[path].loads:
            if SCHEME.match(load) or load.startswith("//"):
                faults.append(f"{name} loads {load} from elsewhere")
            elif not Path(os.path.normpath(path.parent / load.partition("?")[0])).is_file():
                faults.append(f"{name} loads {load}, which is not there")
    faults += [
        f"{path.relative_to(HTML)} is not reached from the landing page" for path in pages if path not in reached | {HTML / "search.html"}
    ]
    faults += [f"{name} has no page" for name, page in reference().items() if not (HTML / f"{page}.html").is_file()]
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.parse_args()
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    import docsite_sphinx  # Sphinx takes a second

    try:
        faults = stage()
        plugin_pages()
        if docsite_sphinx.build(SOURCE, HTML, SITE / "doctrees", named(), codes()):
            faults.append("Sphinx has warnings")
        if faults := faults + check():
            raise SiteError("\n".join(faults))
    except SiteError as error:
        print(f"docsite: {error}", file=sys.stderr)
        return 1
    print(f"{len(list(HTML.rglob('*.html')))} pages: {(HTML / 'index.html').relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
