# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Starts the progress viewer with a playbook and stops it with it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: rollout
type: aggregate
short_description: Shows how far each meter is, live, on a terminal
version_added: 0.1.0
author:
  - The gridops.metering authors (@gridops)
description:
  - While a playbook runs, keeps a picture of all meters at work on the lower rows of the terminal, one row for each with phase and percent.
  - A process of its own draws it from small files which the workers overwrite.
    When standard output is not a terminal, only the files are written.
  - Nothing depends on it. The plain lines of the workers are printed with or without it.
requirements:
  - enabled by C(callbacks_enabled = gridops.metering.rollout) in C(ansible.cfg)
options:
  progress_dir:
    description:
      - Folder for the files, one for each meter. It is made when it is missing, and its old progress files are removed.
      - Without it a folder is made for this run and removed after it.
    type: path
    env:
      - name: GRIDOPS_METERING_PROGRESS_DIR
    ini:
      - section: callback_gridops_metering_rollout
        key: progress_dir
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

from ansible_collections.gridops.metering.plugins.plugin_utils import _viewer
from ansible_collections.gridops.metering.plugins.plugin_utils._progress import ENVIRONMENT, SUFFIX


class CallbackModule(CallbackBase):
    """An aggregate callback: it prints nothing itself."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "gridops.metering.rollout"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._viewer: subprocess.Popen[bytes] | None = None
        self._own: str | None = None

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Name the folder to the workers-to-be and start the viewer on a terminal."""
        del playbook
        try:
            folder = self._folder()
        except OSError as error:
            self._display.warning(f"no live progress: {error}")
            return
        os.environ[ENVIRONMENT] = folder
        if not sys.stdout.isatty():
            return
        with contextlib.suppress(OSError):
            command = [sys.executable, "-I", _viewer.__file__, folder, str(os.getpid())]
            # Named, because core keeps the standard streams from being inherited.
            self._viewer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=1, stderr=subprocess.DEVNULL)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Stop the viewer before the recap is printed, and tidy up."""
        del stats
        if self._viewer is not None:
            self._viewer.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._viewer.wait(3)
        if self._own:
            shutil.rmtree(self._own, ignore_errors=True)
            os.environ.pop(ENVIRONMENT, None)

    def _folder(self) -> str:
        chosen = self.get_option("progress_dir")
        if not chosen:
            self._own = tempfile.mkdtemp(prefix="gridops-metering-")
            return self._own
        path = Path(str(chosen))
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in path.glob(f"*{SUFFIX}"):
            old.unlink(missing_ok=True)
        return str(path)
