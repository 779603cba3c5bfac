# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What the website makes of the pages: where they go, where their links lead, and what its check finds."""

from __future__ import annotations

from pathlib import Path

import pytest

import docsite


def moved(text: str, page: str) -> tuple[str, set[str], list[str]]:
    follow: set[Path] = set()
    faults: list[str] = []
    return docsite.move_links(text, Path(page), follow, faults), {str(path) for path in follow}, faults


def test_links_follow_their_pages() -> None:
    text, follow, faults = moved(
        "[a](../../README.md#x) [b](records.md) [c](../README.md) [d](#here) [e](https://example.org)", "docs/guides/probe.md"
    )
    assert text == "[a](../repository/README.md#x) [b](records.md) [c](../index.md) [d](#here) [e](https://example.org)"
    assert follow == {"README.md", "docs/guides/records.md", "docs/README.md"} and not faults


def test_a_link_into_nothing_is_a_fault_and_one_in_code_is_none() -> None:
    text, dummy, faults = moved("[a](gone.md)\n\n```yaml\n[b](gone-too.md)\n```\n", "docs/guides/probe.md")
    assert faults == ["docs/guides/probe.md: gone.md leads nowhere"] and "gone-too.md" in text


def test_a_folder_without_a_page_gets_one_of_its_files() -> None:
    text, follow, faults = moved("[examples](../../examples/baselines)", "docs/guides/probe.md")
    assert follow == {"examples/baselines/README.md"} and not faults
    assert text == "[examples](../repository/examples/baselines/README.md)"
    assert "- [hep.yml](hep.yml)" in docsite.words(Path("examples/baselines/README.md"))


def test_the_lists_of_the_index_are_the_navigation() -> None:
    text = "# T\n\nsee [x](x.md)\n\n## One\n\n- [a](a.md)\n- [s](https://example.org/s.md)\n1. [b](b.md): and [c](c.md)\n\n## Two\n\n- [a](a.md)\n"
    assert list(docsite.lists(text)) == [("T", []), ("One", ["a.md", "b.md", "c.md"]), ("Two", ["a.md"])]
    made = docsite.navigation(text, landing=True)
    assert made.count(":caption: One") == 1 and ":caption: Two" not in made and "\na\nb\nc\n" in made and "plugins/index" in made


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small site of two pages, all well."""
    monkeypatch.setattr(docsite, "HTML", tmp_path)
    monkeypatch.setattr(docsite, "reference", dict)
    (tmp_path / "index.html").write_text('<h1 id="top">x</h1><a class="r" href="b.html#here">b</a><img src="b.png">', encoding="utf-8")
    (tmp_path / "b.html").write_text('<p id="here"></p><a href="index.html">i</a><a href="https://example.org">e</a>', encoding="utf-8")
    (tmp_path / "b.png").write_bytes(b"")
    return tmp_path


def test_a_good_site_has_no_fault(site: Path) -> None:
    assert docsite.check() == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('<a href="gone.html">', "b.html: gone.html leads nowhere"),
        ('<a href="index.html#gone">', "b.html: index.html#gone: no such anchor"),
        ('<script src="https://example.org/x.js">', "b.html loads https://example.org/x.js from elsewhere"),
        ('<link rel="x" href="gone.css?v=1">', "b.html loads gone.css?v=1, which is not there"),
    ],
)
def test_the_check_finds(site: Path, text: str, fault: str) -> None:
    (site / "b.html").write_text(f'<p id="here"></p>{text}', encoding="utf-8")
    assert docsite.check() == [fault]


def test_a_page_that_nothing_leads_to_and_a_module_without_one_are_faults(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (site / "lost.html").write_text("", encoding="utf-8")
    monkeypatch.setattr(docsite, "reference", lambda: {"meter_facts": "plugins/meter_facts_module"})
    assert docsite.check() == ["lost.html is not reached from the landing page", "meter_facts has no page"]


def test_every_kind_of_plugin_with_documentation_is_known() -> None:
    kinds = {
        path.parent.name
        for path in (docsite.ROOT / "plugins").glob("*/[a-z]*.py")
        if "DOCUMENTATION = " in path.read_text(encoding="utf-8")
    }
    assert kinds - {"doc_fragments", "action"} <= set(docsite.KINDS)
    assert {"meter_facts", "rollout", "hardening", "meters", "upgrade_path"} <= set(docsite.reference())
