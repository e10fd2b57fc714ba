"""A Kafka that also listens with TLS and passwords, and the certificate authorities that it and strangers have."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from services.kafka.local_broker import LocalBroker, free_port

USER, PASSWORD = "desk", "told-to-nobody"
_LOGIN = "org.apache.kafka.common.security"
_SECURED = """
listeners={before},SECURED://127.0.0.1:{port}
advertised.listeners={advertised},SECURED://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_SSL
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.secured.plain.sasl.jaas.config={login}.plain.PlainLoginModule required user_{user}="{password}";
listener.name.secured.scram-sha-512.sasl.jaas.config={login}.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={pem}
"""


class SecuredBroker(LocalBroker):
    """A local broker with a second listener, for the same topics, that wants TLS and one user's password."""

    secured = ""
    """`host:port` of that listener."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.authority = authority(folder / "authority.pem", folder / "server.pem")

    def _configure(self) -> None:
        super()._configure()
        text = self._properties.read_text("utf-8")
        told = dict(line.split("=", 1) for line in text.splitlines())
        port = free_port()
        self.secured = f"127.0.0.1:{port}"
        more = _SECURED.format(
            before=told["listeners"],
            advertised=told["advertised.listeners"],
            port=port,
            login=_LOGIN,
            user=USER,
            password=PASSWORD,
            pem=self.folder / "server.pem",
        )
        self._properties.write_text(text + more, "utf-8")

    def start(self) -> "SecuredBroker":
        """As any local broker; the user has a password of each mechanism then."""
        from kafka import KafkaAdminClient
        from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

        super().start()
        admin = KafkaAdminClient(bootstrap_servers=self.address)
        user = UserScramCredentialUpsertion(USER, ScramMechanism.SCRAM_SHA_512, password=PASSWORD)
        assert admin.alter_user_scram_credentials([user]) == {USER: None}
        admin.close()
        return self


def authority(kept: Path, server: Path | None = None) -> Path:
    """A new certificate authority in a file, and a certificate by it for 127.0.0.1 with its key in another."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"An authority of {kept.name}")])
    own = _certificate(name, name, key, key, x509.BasicConstraints(ca=True, path_length=0))
    kept.write_bytes(own.public_bytes(serialization.Encoding.PEM))
    if server is not None:
        its = rsa.generate_private_key(65537, 2048)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
        there = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        made = _certificate(subject, name, its, key, there)
        plain = serialization.NoEncryption()
        private = its.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        server.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return kept


def _certificate(subject, issuer, key, by, extension) -> x509.Certificate:
    now = datetime.now(UTC)
    build = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
    build = build.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    return build.add_extension(extension, critical=False).sign(by, hashes.SHA256())
