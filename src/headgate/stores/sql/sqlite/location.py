"""Where the file of a key store lives, and whether others could have a hand in it.

A user who can write the file can add a key, and one who can write its folder can put another file
in its place (or a journal beside it, which SQLite would apply to it).  So in a folder that every
user may write, such as a pod's ``emptyDir`` (mode 0777), the store lives in a folder of its own
(0700) inside it.  That folder must be a folder and belong to this user: others can make one first.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from headgate.errors import HeadgateError

PRIVATE = "private"
"""The name of the folder of its own."""


def find(path: Path) -> Path:
    """Where the store that the configuration names ``path`` is, or is to be made.

    Raises:
        HeadgateError: its folder may be another user's.
    """
    folder = path.parent
    for way in {folder.absolute(), folder.resolve()}:  # a link to it could be exchanged too
        for each in (way, *way.parents):
            if _is_open(each.parent) and os.path.lexists(each):
                _require_own(each, may_be_root=True)
    own = folder / PRIVATE
    if not (os.path.lexists(own / path.name) or _is_open(folder)):
        return path
    if os.path.lexists(own):
        _require_own_folder(own)
    return own / path.name


def adopt(path: Path) -> Path:
    """Where the store is; one from before there was a folder of its own is moved there first.

    Raises:
        HeadgateError: its folder or an older store may be another user's.
        OSError: it cannot be moved.
    """
    file = find(path)
    if file != path and os.path.lexists(path) and not os.path.lexists(file):
        return prepare(path)
    return file


def prepare(path: Path) -> Path:
    """Make the store's folder, only for its owner, and bring an older store into it.

    Returns where the store is, or is to be made.

    Raises:
        HeadgateError: its folder or an older store may be another user's.
        OSError: it cannot be made.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = find(path)
    if file != path:
        with contextlib.suppress(FileExistsError):
            file.parent.mkdir(mode=0o700)
        _require_own_folder(file.parent)
        _close_to_others(file.parent)
        _bring_in(path, file)
    return file


def require_safe(file: Path) -> None:
    """Refuse a store that every user may write.

    Raises:
        HeadgateError: what is wrong, and the cure.
        OSError: there is no such file, or it cannot be reached.
    """
    mode = file.stat().st_mode
    if stat.S_ISREG(mode) and mode & stat.S_IWOTH:
        raise HeadgateError(
            f"every user of this machine can write the key store {file} (mode "
            f"{stat.S_IMODE(mode):04o}), and could have added keys: run chmod 600 on it, then look "
            "for unknown keys with 'headgate keys list'"
        )


def warnings(path: Path) -> list[str]:
    """Warnings about unsafe permissions of the key store at ``path``.

    Raises:
        HeadgateError: it is so unsafe that no gate would start with it.
    """
    file, found = find(path), []
    with contextlib.suppress(OSError):
        require_safe(file)
        mode = file.stat().st_mode
        if mode & stat.S_IROTH:
            found.append(f"the key store {file} may be read by every user: chmod 600 it")
        if mode & stat.S_IWGRP:
            group = file.stat().st_gid
            found.append(
                f"the key store {file} may be written by the group {group}, whose members can let "
                "themselves in: chmod 600 it, or see that the group is the gate's alone"
            )
    if file != path and os.path.lexists(path) and os.path.lexists(file):
        found.append(
            f"{path} is not used: the key store is {file}, since others may or might write the "
            "folder; remove the one that is not wanted"
        )
    return found


def _is_open(folder: Path) -> bool:
    """Whether every user may write the folder, and so put files there."""
    try:
        return bool(folder.stat().st_mode & stat.S_IWOTH)
    except OSError:
        return False


def _bring_in(path: Path, file: Path) -> None:
    """Move a store from before there was a folder of its own."""
    if os.path.lexists(file) or not os.path.lexists(path):
        return
    status = path.lstat()
    journal = path.with_name(f"{path.name}-journal")
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1 or not _is_ours(path):
        raise HeadgateError(
            f"{path} lies in a folder that every user may write, and is another user's or a link: "
            f"it could have been put there; if it is your key store, copy it to {file} "
            "as the gate's user, else remove it"
        )
    require_safe(path)
    if os.path.lexists(journal):
        raise HeadgateError(
            f"the key store {path} is being written, or a write was broken off ({journal}), in a "
            f"folder that every user may write; close that folder (chmod 700 {path.parent}) and "
            "start again"
        )
    # A link never replaces a file, as a rename would if two gates start together.
    with contextlib.suppress(FileExistsError, FileNotFoundError):
        os.link(path, file, follow_symlinks=False)
        if file.lstat().st_ino != status.st_ino:
            file.unlink()
            raise HeadgateError(f"{path} was exchanged while it was moved; look who did that")
        path.unlink()


def _require_own_folder(folder: Path) -> None:
    if not stat.S_ISDIR(folder.lstat().st_mode):
        raise HeadgateError(
            f"{folder} is not a folder, in a place that others can write; inspect and remove it: "
            "the key store needs a folder of that name"
        )
    _require_own(folder)
    if folder.lstat().st_mode & stat.S_IWOTH:
        raise HeadgateError(
            f"every user can write {folder}, which contains the key store: run chmod 700 on it, "
            "then look for unknown keys with 'headgate keys list'"
        )


def _require_own(folder: Path, *, may_be_root: bool = False) -> None:
    owner = folder.lstat().st_uid
    if not (_is_ours(folder) or (may_be_root and owner == 0)):
        raise HeadgateError(
            f"{folder} belongs to another user ({owner}), who could put keys of their own there: "
            "run this as that user, or name another folder with --data"
        )


def _is_ours(path: Path) -> bool:
    owner = path.lstat().st_uid
    if owner == os.geteuid():
        return True
    # Some network file systems file everything under one user (all_squash of NFS, an access point
    # of EFS).  What is made there now shows whether this one does.
    try:
        with tempfile.TemporaryFile(dir=path.parent) as made:
            return os.fstat(made.fileno()).st_uid == owner
    except OSError:
        return False


def _close_to_others(folder: Path) -> None:
    """Take the group's and others' bits away, whatever the umask or an ACL of its parent set."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_mode & 0o077:
            os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)
