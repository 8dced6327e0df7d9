"""Reading users' files: compressed or not, in UTF-8 or in an encoding to report."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from pathlib import Path
from typing import IO

from neuronxa_task.errors import NeuronXAError

MOST_BYTES = 4 * 1024**3
"""Largest unpacked size that is read; no parallel text comes near it."""

OTHER_ARCHIVES = {
    ".bz2": "bunzip2 -k",
    ".xz": "unxz -k",
    ".zst": "unzstd",
    ".7z": "7z x",
    ".tar": "tar xf",
    ".tgz": "tar xzf",
    ".rar": "unrar x",
}
"""Archives that are not read, and the commands that unpack them."""

BYTE_ORDER_MARKS = {
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


def name_inside(path: Path) -> str:
    """A file's name without compression: `t.csv` for `t.csv.gz` and for a zip archive of it."""
    kind = path.suffix.lower()
    if kind == ".zip":
        try:
            with zipfile.ZipFile(path) as archive:
                members = _members(archive)
        except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
            members = []  # reading the file reports the error
        return Path(members[0]).name if len(members) == 1 else path.stem
    return path.stem if kind == ".gz" else path.name


def ending(path: Path) -> str:
    """The file name's ending without compression, in lower case: `.csv` for `TABLE.CSV.gz`."""
    return Path(name_inside(path)).suffix.lower()


def read_bytes(path: Path) -> bytes:
    """Read a file and decompress it.

    Raises:
        NeuronXAError: it cannot be read or decompressed, or is an archive of another kind.
    """
    if (kind := path.suffix.lower()) in OTHER_ARCHIVES:
        raise NeuronXAError(f"{path} is packed; unpack it first: {OTHER_ARCHIVES[kind]} {path}")
    try:
        if kind == ".gz":
            with gzip.open(path) as packed:
                return _all_of(packed, path)
        if kind == ".zip":
            return _only_member(path)
        return path.read_bytes()
    except OSError as error:
        raise NeuronXAError(f"{path} cannot be read: {error.strerror or error}") from error
    except (EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise NeuronXAError(
            f"{path} cannot be unpacked: {' '.join(str(error).split())}; it may be cut off or "
            "encrypted"
        ) from error


def _only_member(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        members = _members(archive)
        if len(members) != 1:
            raise NeuronXAError(
                f"{path} holds {len(members)} files; expected one: unpack it and name the folder: "
                f"unzip {path} -d FOLDER"
            )
        with archive.open(members[0]) as packed:
            return _all_of(packed, path)


def _members(archive: zipfile.ZipFile) -> list[str]:
    names = archive.namelist()
    return [n for n in names if not n.endswith("/") and not n.startswith("__MACOSX/")]


def _all_of(packed: IO[bytes] | gzip.GzipFile, path: Path) -> bytes:
    content = packed.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise NeuronXAError(
            f"{path} unpacks to more than {MOST_BYTES // 1024**3} GiB, more than any parallel text"
        )
    return content


def read_text(path: Path) -> str:
    """Read a file as UTF-8 text, without a byte order mark.

    Raises:
        NeuronXAError: it cannot be read, or is not UTF-8; the message guesses the encoding.
    """
    content = read_bytes(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _not_utf8(
            path, content, f"byte 0x{content[error.start]:02X} in line {line}"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise _not_utf8(path, content, f"a NUL character in line {line}")
    return text


def _not_utf8(path: Path, content: bytes, reason: str) -> NeuronXAError:
    """The error for text in another encoding, with how to convert it."""
    start = content[:4096]
    seems = next((name for mark, name in BYTE_ORDER_MARKS.items() if start.startswith(mark)), None)
    if seems is None and start.count(b"\0") > len(start) // 8:
        seems = "UTF-16LE" if start[1::2].count(0) > start[::2].count(0) else "UTF-16BE"
    if seems is None and b"\0" in content:
        return NeuronXAError(f"{path} is not text: {reason}; expected UTF-8 text")
    if seems is None:
        seems, reason = "WINDOWS-1252", f"Windows-1252 or another 8-bit encoding ({reason})"
    else:
        reason = seems
    return NeuronXAError(
        f"{path} is not UTF-8 text; it seems to be {reason}. Save it as UTF-8 (in Excel: 'CSV "
        f"UTF-8'), or convert it: iconv -f {seems} -t UTF-8 FILE > NEW_FILE"
    )
