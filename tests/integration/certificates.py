"""Certificates for tests: an authority of the test's own, and what it signs."""

import pathlib
import subprocess
from typing import NamedTuple

ISSUING = """[ca]
default_ca = own
[own]
database = index
new_certs_dir = .
serial = serial
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[leaf]
subjectAltName = {names}
[nameless]
basicConstraints = CA:FALSE
[authority]
basicConstraints = critical, CA:TRUE
subjectKeyIdentifier = hash
"""


class Certificate(NamedTuple):
    """Paths in PEM. `both`: the key and the certificate in one file."""

    cert: pathlib.Path
    key: pathlib.Path
    both: pathlib.Path


class Authority:
    """Signs with `cert` and `key`, which are its own."""

    def __init__(self, folder, name="ca"):
        self.folder = pathlib.Path(folder) / name
        self.folder.mkdir(parents=True)
        (self.folder / "index").touch()
        (self.folder / "serial").write_text("01\n")
        self.name = name
        self.cert, self.key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        self._sign(name, "DNS:none", (2020, 2100), "authority", ["-selfsign", "-keyfile", self.key])

    def issue(self, name, hosts=("DNS:localhost", "IP:127.0.0.1"), years=(2020, 2100)):
        """A certificate whose subject is `name`, for the `hosts`; valid from the first to the second year."""
        return self._sign(
            name, ",".join(hosts), years, "leaf" if hosts else "nameless", ["-cert", self.cert, "-keyfile", self.key]
        )

    def _sign(self, name, hosts, years, extensions, with_what):
        path = self.folder / name
        cert, key, both, request = (path.with_suffix(s) for s in (".pem", ".key", ".both", ".csr"))
        (self.folder / "ca.cnf").write_text(ISSUING.format(names=hosts))
        self._openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        dates = [f"{year}0101000000Z" for year in years]
        options = ["-batch", "-notext", "-config", "ca.cnf", "-extensions", extensions]
        self._openssl(
            "ca", *options, *with_what, "-in", request, "-out", cert, "-startdate", dates[0], "-enddate", dates[1]
        )
        both.write_bytes(key.read_bytes() + cert.read_bytes())
        return Certificate(cert, key, both)

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], cwd=self.folder, check=True, capture_output=True)
