"""Write a certificate for this pod's address to /tls, signed by the authority in /ca. It depends on neither Ray nor the package."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from os import environ
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

authority, tls = Path(environ.get("CA_FOLDER", "/ca")), Path(environ.get("TLS_FOLDER", "/tls"))
issuer = x509.load_pem_x509_certificate((authority / "ca.crt").read_bytes())
key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
head = "veritensor-head-svc"
names = ("localhost", head, f"{head}.{environ['NAMESPACE']}.svc.cluster.local")  # workers look up the head by the last name
addresses = (environ["POD_IP"], "127.0.0.1")
certificate = (
    x509.CertificateBuilder()
    .subject_name(x509.Name([]))
    .issuer_name(issuer.subject)
    .public_key(key.public_key())
    .serial_number(x509.random_serial_number())
    .not_valid_before(now - timedelta(hours=1))  # allows for clocks that differ
    .not_valid_after(min(now + timedelta(days=365), issuer.not_valid_after_utc))
    .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False)  # type: ignore[arg-type]  # as below
    .add_extension(
        x509.SubjectAlternativeName([*(x509.DNSName(name) for name in names), *(x509.IPAddress(ip_address(one)) for one in addresses)]),
        critical=True,
    )
    .sign(load_pem_private_key((authority / "ca.key").read_bytes(), None), hashes.SHA256())  # type: ignore[arg-type]  # EC or RSA
)
(tls / "tls.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
(tls / "tls.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
(tls / "ca.crt").write_bytes(issuer.public_bytes(Encoding.PEM))
