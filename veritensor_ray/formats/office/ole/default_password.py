"""Decrypts documents that use the password that Office tries automatically: they open without a prompt, but slip past scanners."""

from __future__ import annotations

import io
import re
import warnings
from typing import BinaryIO

import msoffcrypto

from veritensor_ray.core import bounds

_BY_ITSELF = "VelvetSweatshop"  # [MS-OFFCRYPTO] 2.3.7: Excel's password for encryption when the user gives none
_LARGEST = bounds.HELD
_ROUNDS = bounds.KEY_ROUNDS  # iterations of the key derivation; Office uses 100,000
_SPIN = re.compile(rb'spinCount="(\d{1,20})"')


def unlocked(file: BinaryIO, info: bytes) -> BinaryIO | None:
    """The decrypted document, or None if it has another password. `info` is its stream EncryptionInfo."""
    if file.seek(0, io.SEEK_END) > _LARGEST or any(int(found) > _ROUNDS for found in _SPIN.findall(info)):
        return None
    file.seek(0)
    opened = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            document = msoffcrypto.OfficeFile(file)
            if not document.is_encrypted():
                return None
            document.load_key(password=_BY_ITSELF)
            document.decrypt(opened)
    except Exception:  # noqa: BLE001  # the library raises arbitrary exceptions for hostile files, and for every other password
        return None
    opened.seek(0)
    return opened if opened.getbuffer().nbytes else None
