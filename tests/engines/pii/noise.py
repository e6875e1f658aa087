"""Two hundred and more lines of logs, tables and code with hardly anything personal in them, the same in every run."""

from __future__ import annotations

import random
import uuid

# The only personal data in the corpus, by line.
PERSONAL = {
    "2026-03-01T10:00:00Z INFO login user=anna.becker@posteo.de ok": ["email"],
    "81.2.69.142 - - [10/Oct/2026:13:55:36 -0700] \"GET /index.html HTTP/1.1\" 200 2326": ["ip-address"],
    "2026-03-01 ERROR payment failed card=4532015112830366 code=51": ["payment-card"],
    "dhcpd: DHCPACK on 10.1.2.3 to 3c:22:fb:0a:91:e4 via eth0": ["mac-address"],
    "call me at (415) 555-2671 # on-call": ["phone"],
}  # fmt: skip

CODE = r"""
VERSION = "2.31.0.17"
TIMEOUT_MS = 1500000000
__version__ = "10.4.200.3"
MASK = 0xFFFFFFFF
assert checksum == 2147483647 and size == 9007199254740991
x = [3.141592653589793, 2.718281828459045, 1.4142135623730951]
pattern = re.compile(r"(\d{3})-(\d{3})-(\d{4})")
const id = "5f3a1b2c-4d5e-6f70-8190-a1b2c3d4e5f6";
sha1 = 'da39a3ee5e6b4b0d3255bfef95601890afd80709'
md5: d41d8cd98f00b204e9800998ecf8427e
<svg viewBox="0 0 1024 768"><path d="M12.5 30.25 L 400.75 120.5 1024.125 768.0"/></svg>
requests==2.31.0 ; numpy>=1.26.4,<2.0.0 ; torch==2.3.0+cu121
docker pull registry.local:5000/app@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
@app.route("/users/<int:id>/orders/<int:order>")
git clone git@git.internal:team/repo.git && cd repo
if (a::b::c) return std::chrono::seconds(3600);
color: #12345678; background: #4532015112830366;
ssh -p 2222 deploy@10.0.0.12 'systemctl restart app'
0000000 4532 0151 1283 0000 1234 5678 9abc def0
memcpy(dst + 1024, src + 2048, 4096); /* 12-34-56 */
iban_regex = "[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}"
phone_format = "(###) ###-####"
eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U
import {a1, b2, c3} from "@scope/pkg@1.2.3";
netmask 255.255.255.0 broadcast 192.168.1.255 inet6 fe80::1ff:fe23:4567:890a
"""


def lines() -> list[str]:
    """The corpus."""
    rng = random.Random(17)
    made = [line for line in CODE.splitlines() if line]
    for i in range(60):
        stamp = f"2026-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}T{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}:{rng.randint(0, 59):02d}.{rng.randint(0, 999):03d}Z"
        made.append(
            f"{stamp} INFO [worker-{i}] request_id={uuid.UUID(int=rng.getrandbits(128))} took {rng.random() * 900:.3f} ms bytes={rng.randint(10**6, 10**10)}"
        )
    for i in range(50):
        made.append(
            ",".join(
                [
                    str(i),
                    str(rng.randint(10**5, 10**9)),
                    f"{rng.gauss(0, 50):.6f}",
                    f"{rng.random():.15f}",
                    str(rng.randint(10**11, 10**12)),
                ]
            )
        )
    for _ in range(25):
        made.append(
            f"[{1_700_000_000 + rng.randint(0, 10**8)}.{rng.randint(0, 999999):06d}] kernel: usb 1-1: new device 0x{rng.getrandbits(32):08x} at 0000:{rng.getrandbits(8):02x}:1f.3"
        )
    for _ in range(25):
        made.append(
            f"tensor([{rng.gauss(0, 1):.4f}, {rng.gauss(0, 1):.4f}, {rng.gauss(0, 1):.4f}]) commit {rng.getrandbits(160):040x} lat={rng.uniform(-90, 90):.6f} lon={rng.uniform(-180, 180):.6f}"
        )
    for _ in range(20):
        made.append("\t".join(str(rng.randint(0, 9999)) for _ in range(12)))
    for _ in range(15):
        made.append(
            " ".join(f"{rng.getrandbits(16):04x}" for _ in range(8))
            + f"  isbn 978-{rng.randint(0, 9)}-{rng.randint(100, 999)}-{rng.randint(10000, 99999)}-{rng.randint(0, 9)}"
        )
    return [*made, *PERSONAL]
