# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Looks at the command line of every process that Python starts while tests run: none may hold a planted password.

A folder on PYTHONPATH is enough to have it in every interpreter of a test run, in forks of the warm starter and in modules too. What
is found is told by program and place in ``command-lines.txt`` of the outputs, never by value, and the step ``secrets`` fails on it.
``-e`` of Ansible's own programs is left out: it is how tests type what an operator would take from a vault.
"""

from __future__ import annotations

import os
import sys

STARTS = {"subprocess.Popen": 1, "os.exec": 1, "os.posix_spawn": 1, "os.system": 0}
MARKER = "canary-"


def _words(given):
    words = [given] if isinstance(given, (str, bytes, os.PathLike)) else list(given or ())
    return [os.fsdecode(word) for word in words]


def _typed(words, number):
    """Whether a word is the value of an operator's ``-e``."""
    own = any(os.path.basename(word).startswith("ansible") for word in words[:2])
    return own and (words[number - 1] in ("-e", "--extra-vars") or words[number].startswith(("-e", "--extra-vars=")))


def found(words):
    """Places of the words that hold a planted password."""
    return [number for number, word in enumerate(words) if MARKER in word.lower() and not _typed(words, number)]


def _look(event, args):
    place = STARTS.get(event)
    if place is None:
        return
    try:
        words = _words(args[place])
        numbers = found(words)
        if numbers:
            program = os.path.basename(words[0].split()[0])
            line = f"{program}: word {numbers[0]} of {len(words)}, started by {os.path.basename(sys.argv[0])}\n"
            with open(os.path.join(os.environ["METERING_TEST_ARTIFACTS"], "command-lines.txt"), "a", encoding="utf-8") as stream:
                stream.write(line)
    except (AttributeError, KeyError, OSError, TypeError, ValueError):
        return  # a look must never change what it looks at


if os.environ.get("METERING_TEST_ARTIFACTS"):
    sys.addaudithook(_look)
