# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Sphinx with our settings, for docsite.py: Markdown, pages of antsibull-docs, and links from names to where they are explained."""

from __future__ import annotations

import gc
import re
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

#: Labels of Ansible's own documentation that antsibull-docs refers to.
ANSIBLE = "https://docs.ansible.com/projects/ansible/latest/"
FOREIGN = {
    "action_plugins": "plugins/action.html",
    "callback_plugins": "plugins/callback.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}
#: Plugins of ansible-core, and the settings of its caches.
BUILTIN = re.compile(r"ansible_collections\.ansible\.builtin\.(\w+)")
SETTING = re.compile(r"ANSIBLE_CACHE_PLUGIN\w*")
CODES = "reason-codes"
STYLE = Path(__file__).with_name("docsite.css")
SETTINGS: dict[str, Any] = {
    "project": "gridops.metering",
    "author": "The gridops.metering authors",
    "project_copyright": "2026, The gridops.metering authors",
    "root_doc": "index",
    "extensions": ["myst_parser", "sphinx_antsibull_ext"],
    "source_suffix": {".md": "markdown", ".rst": "restructuredtext"},
    "default_role": "any",
    "nitpicky": True,
    "myst_heading_anchors": 4,
    "highlight_language": "text",
    "html_theme": "furo",
    "html_title": "gridops.metering",
    "html_show_sphinx": False,
    "html_copy_source": False,
    "html_use_index": False,
    "html_domain_indices": False,
    "html_static_path": [str(STYLE)],
    "antsibull_ext_color_scheme": "none",
    "pygments_style": "ansible",
    "suppress_warnings": ["misc.highlighting_failure"],
}


def build(source: Path, out: Path, doctrees: Path, pages: dict[str, str], codes: set[str]) -> int:
    """Build the site anew; ``pages``: name of a plugin -> its page, ``codes``: the reason codes. Returns 0 when there was no warning."""
    # Millions of nodes that live to the end: looking for garbage among them costs a tenth of the time.
    gc.set_threshold(300_000, 50, 100)
    for folder in (out, doctrees):
        shutil.rmtree(folder, ignore_errors=True)
    with patch_docutils(), docutils_namespace():
        app = Sphinx(source, None, out, doctrees, "html", SETTINGS, warningiserror=True, status=None)
        app.add_css_file(STYLE.name)
        app.connect("missing-reference", foreign)
        app.connect("doctree-resolved", lambda app, tree, page: link_names(app, tree, page, pages, codes))
        app.build()
    return int(app.statuscode)


def foreign(dummy_app: Sphinx, dummy_env: object, node: nodes.Element, content: nodes.Element) -> nodes.reference | None:
    """A label of Ansible's documentation; others stay what they are: an error."""
    target = node.get("reftarget", "")
    page = FOREIGN.get(target)
    if builtin := BUILTIN.fullmatch(target):
        page = f"collections/ansible/builtin/{builtin[1]}.html"
    elif SETTING.fullmatch(target):
        page = f"reference_appendices/config.html#envvar-{target}"
    return nodes.reference("", content.astext(), refuri=ANSIBLE + page, internal=False) if page else None


def link_names(app: Sphinx, tree: nodes.document, page: str, pages: dict[str, str], codes: set[str]) -> None:
    """Make names in code letters links: modules and roles to their pages, reason codes to their row, which gets an anchor."""
    if page.startswith("plugins/"):
        return
    if page == CODES:
        for row in tree.findall(nodes.row):
            for literal in list(row.findall(nodes.literal))[:1]:
                literal["ids"].append(f"reason-{literal.astext()}")
    for literal in list(tree.findall(nodes.literal)):
        text = literal.astext()
        name = text.removeprefix("gridops.metering.")
        # Plain words, such as the inventory group meters, are no names of ours.
        if name in pages and (name != text or "_" in name):
            aim = app.builder.get_relative_uri(page, pages[name])
        elif text in codes and "_" in text and page != CODES:
            aim = app.builder.get_relative_uri(page, CODES) + f"#reason-{text}"
        else:
            continue
        if not isinstance(literal.parent, nodes.reference | nodes.title):
            literal.replace_self(nodes.reference("", "", literal.deepcopy(), refuri=aim, internal=True))
