"""The file of a patch: reproducible, in one form, and refused as soon as a byte of it is another one."""

from __future__ import annotations

import json
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotswap.errors import PatchError
from hotswap.hotfix.admission import open_order
from hotswap.hotfix.build import build, diff_patches, read_tree
from hotswap.hotfix.patch import MAX_MANIFEST, MAX_PATCH, Manifest, Patch, PatchedFile, _dump, _pack, read_sealed, sha256
from hotswap.hotfix.signing import sign, verify
from tests.hotfix.service import FILES, PRICING, Shop, write_tree

pytestmark = pytest.mark.once  # much the same on every interpreter

NOW = 1_900_000_000.0
TEXT = b"RATE = 3\n"


@pytest.fixture(params=["ssh-keygen", "cryptography"])
def verifier(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Signatures are verified by the program, or in this process as where that is not there."""
    if request.param == "cryptography":
        monkeypatch.setattr("hotswap.hotfix.signing.is_program_there", lambda: False)
    return str(request.param)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Keys and a trust file; nothing is started."""
    return Shop(tmp_path_factory.mktemp("keys"))


def make(**changes: Any) -> Patch:
    file = PatchedFile(path="shop/pricing.py", base=sha256(b"RATE = 2\n"), digest=sha256(TEXT), size=len(TEXT))
    manifest = Manifest(id="shop-1", number=1, description="", author="", target="shop", files=(file,))
    return Patch(manifest=attrs.evolve(manifest, **changes), texts={"shop/pricing.py": TEXT})


def signed(keys: Shop, patch: Patch) -> bytes:
    return attrs.evolve(patch, signature=sign(patch.manifest.to_bytes(), str(keys.key))).to_bytes()


def refusal(data: bytes, keys: Shop, at: float = NOW) -> str:
    with pytest.raises(PatchError) as caught:
        open_order(data, str(keys.trust), at)
    return caught.value.code


def test_a_signed_patch_is_read_as_it_was_made(keys: Shop, verifier: str) -> None:
    """What comes out is what went in, with who has signed it; any tool lists the archive."""
    patch, signer = open_order(signed(keys, make()), str(keys.trust), NOW)
    assert (patch.manifest, patch.texts, signer.principal) == (make().manifest, {"shop/pricing.py": TEXT}, "ops@example.org")
    file = keys.root / "listed.hotpatch"
    file.write_bytes(signed(keys, make()))
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["manifest.json", "manifest.json.sig", "files/shop/pricing.py"]


def test_any_other_byte_is_refused() -> None:
    """At every position of an unsigned patch: the archive has sums of its members, the manifest digests, and all has one form."""
    data = make().to_bytes()
    for at in range(len(data)):
        for bit in (1, 128):
            with pytest.raises(PatchError, match="HS601"):
                read_sealed(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]).open()


def rebuilt(keys: Shop, change: Callable[[dict[str, Any]], object]) -> bytes:
    """A patch whose manifest somebody who may sign has written by hand."""
    held = json.loads(make().manifest.to_bytes())
    change(held)
    manifest = _dump(held)
    signature = sign(manifest, str(keys.key))
    return _pack({"manifest.json": manifest, "manifest.json.sig": signature, "files/shop/pricing.py": TEXT})


@pytest.mark.parametrize(
    "change",
    [
        lambda held: held.update(more=1),
        lambda held: held.pop("needs"),
        lambda held: held.update(format=2),
        lambda held: held.update(number="1"),
        lambda held: held.update(number=True),
        lambda held: held.update(number=0),
        lambda held: held.update(id="../shop"),
        lambda held: held.update(description="two\nlines"),
        lambda held: held.update(expires="tomorrow"),
        lambda held: held.update(files=held["files"] * 2),
        lambda held: held.update(files=[]),
        lambda held: held["files"][0].update(path="../shop/pricing.py"),
        lambda held: held["files"][0].update(path="/shop/pricing.py"),
        lambda held: held["files"][0].update(size=1),
        lambda held: held["files"][0].update(digest="0" * 64),
        lambda held: held["files"][0].update(base="no digest"),
    ],
)
def test_a_manifest_has_one_form(keys: Shop, change: Callable[[dict[str, Any]], object]) -> None:
    """Unknown, missing and odd fields are refused though the signature holds."""
    assert refusal(rebuilt(keys, change), keys) == "HS601"


def containers() -> Iterator[tuple[str, bytes]]:
    manifest = make().manifest.to_bytes()
    good = make().to_bytes()
    yield "empty", b""
    yield "no archive", b"hello"
    yield "something behind", good + b"\0"
    yield "something before", b"\0" + good
    yield "cut off", good[:-1]
    yield "traversal", _pack({"manifest.json": manifest, "files/../shop.py": TEXT})
    yield "absolute", _pack({"manifest.json": manifest, "files//shop.py": TEXT})
    yield "foreign", _pack({"manifest.json": manifest, "setup.py": TEXT})
    yield "no manifest", _pack({"files/shop/pricing.py": TEXT})
    yield "manifest too large", _pack({"manifest.json": b" " * (MAX_MANIFEST + 1)})
    yield "too large", good + b"\0" * MAX_PATCH
    twice = _pack({"manifest.json": manifest})
    yield "twice", twice[: twice.index(b"PK\1\2")] + good


@pytest.mark.parametrize(("name", "data"), list(containers()), ids=[name for name, _ in containers()])
def test_a_container_has_one_form(name: str, data: bytes) -> None:
    """What is not exactly an archive as hotswap writes it is not looked into."""
    with pytest.raises(PatchError, match="HS601"):
        read_sealed(data)


def test_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    """Nothing is ever unpacked, so nothing can be larger than it looks."""
    file = tmp_path / "bomb.hotpatch"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", b"0" * 100_000)
    with pytest.raises(PatchError, match="HS601"):
        read_sealed(file.read_bytes())


def test_who_may_not_sign_is_refused(keys: Shop, verifier: str, tmp_path: Path) -> None:
    """No signature, an unknown key, a key whose time is over, another namespace, a trust file that others may write to."""
    assert refusal(make().to_bytes(), keys) == "HS602"

    other = Shop(tmp_path)
    assert refusal(signed(other, make()), keys) == "HS602"

    data = signed(keys, make())
    for options in ('valid-before="20200101"', 'namespaces="git"'):
        other.allow(f"ops@example.org {options} ", keys.key)
        assert refusal(data, other) == "HS602"
    other.allow("ops@example.org ", keys.key)
    assert open_order(data, str(other.trust), NOW)
    other.trust.chmod(0o666)
    assert refusal(data, other) == "HS602"
    other.trust.unlink()
    assert refusal(data, other) == "HS602"


def test_a_signature_is_not_another_ones(keys: Shop, verifier: str) -> None:
    """Bytes of manifest and signature that are changed, by a sample, and a signature written otherwise."""
    manifest = make().manifest.to_bytes()
    signature = sign(manifest, str(keys.key))
    for at in range(0, len(manifest), 90):
        with pytest.raises(PatchError, match="HS602"):
            verify(manifest[:at] + bytes([manifest[at] ^ 1]) + manifest[at + 1 :], signature, str(keys.trust), NOW)
    for at in range(0, len(signature), 60):
        with pytest.raises(PatchError, match="HS602"):
            verify(manifest, signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :], str(keys.trust), NOW)
    for odd in (signature + b"\n", signature.replace(b"\n", b"\r\n"), b" " + signature):
        with pytest.raises(PatchError, match="HS602"):
            verify(manifest, odd, str(keys.trust), NOW)
    assert verify(manifest, signature, str(keys.trust), NOW).principal == "ops@example.org"


def test_a_key_is_judged_by_the_time_of_the_order(keys: Shop, verifier: str, tmp_path: Path) -> None:
    """A worker that starts after a key has ended gets the patch that was ordered before."""
    other = Shop(tmp_path)
    other.allow('ops@example.org namespaces="hotswap",valid-before="20300101" ', keys.key)
    data = signed(keys, make())
    assert open_order(data, str(other.trust), NOW - 10_000_000)[1].principal == "ops@example.org"
    assert refusal(data, other, NOW) == "HS602"


def test_an_expired_patch_is_refused(keys: Shop) -> None:
    """From its second on."""
    data = signed(keys, make(expires="2030-03-17T17:46:40Z"))
    assert open_order(data, str(keys.trust), NOW - 1)
    assert refusal(data, keys, NOW) == "HS603"


# ---- building ----


def test_a_build_is_reproducible_and_from_folders_or_revisions(tmp_path: Path) -> None:
    """The same trees give the same bytes, whether they lie in folders or in git."""
    old = write_tree(tmp_path / "old", FILES)
    new = write_tree(tmp_path / "new", {**FILES, "shop/pricing.py": PRICING.replace("RATE = 2", "RATE = 3")})
    repository = write_tree(tmp_path / "repository", {f"src/{path}": text for path, text in FILES.items()})

    def git(*words: str) -> None:
        config = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
        subprocess.run(["git", *config, *words], cwd=repository, check=True, capture_output=True)

    git("init")
    git("add", ".")
    git("commit", "-m", "one")
    write_tree(repository, {"src/shop/pricing.py": PRICING.replace("RATE = 2", "RATE = 3"), "README": "not below the root"})
    git("add", ".")
    git("commit", "-m", "two")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(repository)
        by_git = build(read_tree("HEAD^", "src"), read_tree("HEAD", "src"), number=1, target="shop")
    by_folder = build(read_tree(str(old)), read_tree(str(new)), number=1, target="shop")
    assert by_git.to_bytes() == by_folder.to_bytes()
    assert [(each.qualname, each.kind) for each in by_git.manifest.changes] == [("RATE", "data")]
    assert diff_patches(by_git, attrs.evolve(by_git, manifest=attrs.evolve(by_git.manifest, number=2))) == ["number: 1 -> 2"]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"shop/logo.svg": "<svg/>"}, "carries Python sources only"),
        ({"shop/pricing.py": "def ("}, "cannot be read"),
        ({}, "nothing differs"),
    ],
)
def test_what_a_patch_cannot_carry_is_refused(tmp_path: Path, changes: dict[str, str], what: str) -> None:
    """And named, with what to do."""
    old = write_tree(tmp_path / "old", FILES)
    new = write_tree(tmp_path / "new", {**FILES, **changes})
    with pytest.raises(PatchError, match=f"HS613.*{what}"):
        build(read_tree(str(old)), read_tree(str(new)), number=1, target="shop")


def test_both_verifiers_agree_on_trust_files(keys: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the one that is built in takes the program takes too, with the same names."""
    data = make().manifest.to_bytes()
    signature = sign(data, str(keys.key))
    public = keys.key.with_suffix(".pub").read_text()
    trust = tmp_path / "trust"
    lines = {
        f"a@x {public}": True,
        f'a@x namespaces="hotswap" {public}': True,
        f'a@x namespaces="git,hot*" {public}': True,
        f'"a@x" valid-after="20200101",valid-before="20991231235959Z" {public}': True,
        f"# a comment\n\nb@x ssh-rsa AAAA other\na@x {public}": True,
        f'a@x namespaces="git" {public}': False,
        f'a@x namespaces="hot[s]wap" {public}': False,
        f'a@x valid-after="20400101" {public}': False,
        f'a@x valid-before="20200101Z" {public}': False,
        f"# a@x {public}": False,
        f"a@x cert-authority {public}": False,
        "": False,
    }
    for text, is_trusted in lines.items():
        trust.write_text(text)
        trust.chmod(0o600)
        said = []
        for is_there in (True, False):
            monkeypatch.setattr("hotswap.hotfix.signing.is_program_there", lambda: is_there)
            try:
                said.append(verify(data, signature, str(trust), NOW))
            except PatchError:
                said.append(None)
        assert said[0] == said[1], text
        assert (said[0] is not None) is is_trusted, text


def test_a_revoked_key_does_not_count(keys: Shop, verifier: str, tmp_path: Path) -> None:
    """Whenever it signed: the file beside the trust file ends it at once. A list that cannot be read trusts nobody."""
    other = Shop(tmp_path)
    other.allow('ops@example.org namespaces="hotswap" ', keys.key)
    data, revoked = signed(keys, make()), tmp_path / "revoked_keys"
    assert open_order(data, str(other.trust), NOW)
    for text in (other.key.with_suffix(".pub").read_text(), "# nobody\n", ""):
        revoked.write_text(text)
        revoked.chmod(0o644)
        assert open_order(data, str(other.trust), NOW)
    revoked.write_text("# left\n" + keys.key.with_suffix(".pub").read_text())
    assert refusal(data, other) == "HS602"
    assert refusal(data, other, NOW - 1_000_000) == "HS602"
    revoked.write_text("what is this")
    assert refusal(data, other) == "HS602"
    revoked.write_text("")
    revoked.chmod(0o666)
    assert refusal(data, other) == "HS602"

    revoked.unlink()
    public = keys.key.with_suffix(".pub")
    subprocess.run(["ssh-keygen", "-q", "-k", "-f", revoked, public], check=True)  # binary
    revoked.chmod(0o644)
    assert refusal(data, other) == "HS602"


def test_a_revocation_file_that_was_asked_for_has_to_be_there(keys: Shop, verifier: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is misspelt must not mean that nobody is revoked."""
    monkeypatch.setenv("HOTSWAP_REVOKED", str(keys.root / "nothing"))
    assert refusal(signed(keys, make()), keys) == "HS602"


# ---- whatever a manifest may be ----

_LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.sampled_from(["../x.py", "a/b.py", "0" * 64, ""])
_VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=8
)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_other_manifest_is_refused_with_one_sentence(data: st.DataObject) -> None:
    """A field with any other value, one more or one less: what is read is exactly what a builder would have written."""
    held = json.loads(make().manifest.to_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        target = data.draw(st.sampled_from([held, held["files"][0] if held.get("files") else held]))
        if not isinstance(target, dict):
            continue
        name = data.draw(st.sampled_from([*sorted(target), "other"]))
        if data.draw(st.booleans()) and name in target:
            del target[name]
        else:
            target[name] = data.draw(_VALUES)
        if not isinstance(held.get("files"), list) or not held["files"]:
            break
    try:
        patch = read_sealed(_pack({"manifest.json": _dump(held), "files/shop/pricing.py": TEXT})).open()
    except PatchError as error:
        assert error.code == "HS601"
        assert "\n" not in error.message
    else:
        assert patch.manifest.to_bytes() == _dump(held)
        assert {file.path: sha256(patch.texts[file.path]) for file in patch.manifest.files if file.digest} == {
            "shop/pricing.py": sha256(TEXT)
        }


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_no_manifest(data: bytes) -> None:
    """Nothing else than a refusal comes of them, in the archive or in its place."""
    for made in (data, _pack({"manifest.json": data, "files/shop/pricing.py": TEXT})):
        with pytest.raises(PatchError, match="HS601"):
            read_sealed(made).open()
