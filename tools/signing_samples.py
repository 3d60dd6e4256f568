"""Make plugins/signing/tests/data: a small model, and signatures of it by the reference implementation, with public keys.

Run it with the workspace's Python. The private keys are thrown away, so each run makes other signatures and keys.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import signing_peer
import tiffin
from workspace import ROOT

TARGET = ROOT / "plugins" / "signing" / "tests" / "data"
CURVES = {"p256": "P-256", "p384": "P-384", "p521": "P-521"}
OTHER_WAYS = """
import sys
from model_signing import hashing, signing

folder, key, target = sys.argv[1:]
ignored = {"paths": [], "ignore_git_paths": True}
ways = {
    "shards": hashing.Config().use_shard_serialization(shard_size=64).set_ignored_paths(**ignored),
    "blake2": hashing.Config().use_file_serialization(hashing_algorithm="blake2").set_ignored_paths(**ignored),
}
for name, way in ways.items():
    config = signing.Config().use_elliptic_key_signer(private_key=key).set_hashing_config(way)
    config.sign(folder, f"{target}/{name}.sig")
"""


def openssl(*arguments: str | Path) -> None:
    """Run openssl."""
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def main() -> None:
    """Make the samples anew."""
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        store = tiffin.ModelStore(work / "store")
        # By its name, which is on no list, and loads on every Python.
        saved = store.save("gift:1", argparse.Namespace(answer=42), labels={"made": "elsewhere"})
        tiffin.models.export_model(saved.tag, TARGET / "gift", "folder", store=store)
        for name, curve in CURVES.items():
            key = work / f"{name}.pem"
            openssl("genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}", "-out", key)
            openssl("pkey", "-in", key, "-pubout", "-out", TARGET / f"{name}.pub")
            signature = TARGET / f"{name}.sig"
            signing_peer.run("sign", "key", TARGET / "gift", "--private_key", key, "--signature", signature)
        _certificate(work)
        python = signing_peer.FOLDER / "bin" / "python"
        subprocess.run([python, "-c", OTHER_WAYS, TARGET / "gift", work / "p256.pem", TARGET], check=True)


def _certificate(work: Path) -> None:
    key, certificate = work / "p256.pem", work / "certificate.pem"
    usage = "keyUsage=digitalSignature"
    subject = "/CN=A test of Tiffin"
    openssl(
        "req", "-x509", "-new", "-key", key, "-subj", subject, "-addext", usage, "-days", "3650", "-out", certificate
    )
    options: list[str | Path] = ["--private_key", key, "--signing_certificate", certificate]
    options += ["--certificate_chain", certificate]
    signature = TARGET / "certificate.sig"
    signing_peer.run("sign", "certificate", TARGET / "gift", *options, "--signature", signature)


if __name__ == "__main__":
    main()
    sys.exit(0)
