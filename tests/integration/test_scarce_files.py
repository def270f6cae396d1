"""A worker that may open no file any more says so, and is well again when it may."""

from __future__ import annotations

import os
import resource
from pathlib import Path

from tests.support.scene import Scene, running_scene
from tests.support.workers import serving_pid


def limit(pid: int, files: int) -> int:
    """Let a process have so many files open; returns how many it could have before."""
    before, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (files, hard))
    return before


def is_served(scene: Scene) -> bool:
    return scene.gate.ask("GET", "/version", key=scene.key).status == 200


def test_a_shortage_is_logged_and_passes(tmp_path: Path) -> None:
    with running_scene(tmp_path) as scene:
        assert is_served(scene)
        pid = serving_pid(scene.gate.process)
        before = limit(pid, min(map(int, os.listdir(f"/proc/{pid}/fd"))) + 1)
        event = scene.gate.event("descriptors_exhausted")
        assert event["level"] == "error"
        assert "limits.connections" in event["message"]
        limit(pid, before)
        scene.gate.event("descriptors_available")
        assert all(is_served(scene) for _ in range(5))
        assert serving_pid(scene.gate.process) == pid
