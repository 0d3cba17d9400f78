"""``hotswap patch``: patch files built, signed and looked at."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import attrs
import click

from hotswap.hotfix.admission import open_order
from hotswap.hotfix.build import build, diff_patches, read_tree
from hotswap.hotfix.patch import Patch, read_sealed
from hotswap.hotfix.signing import default_trust, sign
from hotswap.hotfix.words import guarded, json_option, read_file, trust_option, write_file
from hotswap.model import to_json

__all__ = ["patch"]


@click.group()
def patch() -> None:
    """Build, sign and look at patches for running services."""


@patch.command("build")
@click.option("--from", "old", required=True, metavar="REV|DIR", help="What is deployed: a git revision or a directory.")
@click.option("--to", "new", required=True, metavar="REV|DIR", help="What is to be live.")
@click.option("--number", type=click.IntRange(1), required=True, help="Counts the patches of a target; each has a higher one.")
@click.option("--target", required=True, metavar="NAME", help="The distribution that it is for.")
@click.option("--version", "versions", multiple=True, help="A version of it that it is for (may be repeated).")
@click.option("--root", default="", metavar="DIR", help="The directory in both from which modules are imported, as src.")
@click.option("--only", multiple=True, metavar="PATH", help="A directory or file below the root that counts (may be repeated).")
@click.option("--leave-out", multiple=True, metavar="GLOB", help="Paths whose differences are not carried (may be repeated).")
@click.option("--needs", multiple=True, metavar="FILE", type=click.Path(), help="A patch that has to be live (may be repeated).")
@click.option("--supersedes", multiple=True, metavar="FILE", type=click.Path(), help="A patch in whose place it is put, in one "
              "instant; it is built from what was there before that one (may be repeated).")  # fmt: skip
@click.option("--hooks", metavar="FILE", type=click.Path(), help="A module whose before_apply, after_apply, before_rollback and "
              "after_rollback are asked in each process.")  # fmt: skip
@click.option("--expires", default="", metavar="TIME", help="2026-12-31T00:00:00Z: it may not be ordered afterwards.")
@click.option("--id", "name", default="", help="By default target-number.")
@click.option("--description", "-d", default="", help="One line.")
@click.option("--author", default="", help="Who has made it.")
@click.option("--output", "-o", metavar="FILE", help="By default ID.hotpatch.")
def _build(old: str, new: str, root: str, name: str, output: str | None, needs: tuple[str, ...],
           supersedes: tuple[str, ...], hooks: str | None, **words: Any) -> None:  # fmt: skip
    """Make a patch of the difference between two trees; both are only read."""

    def act() -> None:
        needed, replaced = ([read_sealed(read_file(path)).open().digest for path in paths] for paths in (needs, supersedes))
        made = build(read_tree(old, root), read_tree(new, root), name=name, needs=needed, supersedes=replaced,
                     hooks=read_file(hooks) if hooks else b"", **words)  # fmt: skip
        path = output or f"{made.manifest.id}.hotpatch"
        write_file(path, made.to_bytes())
        _print_patch(made, path)

    guarded("patch build", act)


def _print_patch(made: Patch, path: str) -> None:
    manifest = made.manifest
    versions = " or ".join(manifest.versions)
    click.echo(f"{path}: {manifest.id}, number {manifest.number}, for {manifest.target} {versions}".rstrip())
    for title, value in (("what", manifest.description), ("author", manifest.author), ("expires", manifest.expires)):
        if value:
            click.echo(f"  {title:<9} {value}")
    for title, digests in (("needs", manifest.needs), ("replaces", manifest.supersedes)):
        for digest in digests:
            click.echo(f"  {title:<9} {digest}")
    if manifest.hooks:
        click.echo(f"  {'hooks':<9} {manifest.hooks[:12]}")
    click.echo(f"  {'digest':<9} {made.digest}")
    for file in manifest.files:
        click.echo(f"  {'file':<9} {file.path}  {file.base[:12] or 'new'} -> {file.digest[:12] or 'gone'}")
    for change in manifest.changes:
        where = ".".join(filter(None, (change.module, change.qualname)))
        click.echo(f"  {change.kind:<9} {where}" + (f" (line {change.line})" if change.line else ""))
    click.echo("  told from the texts; whether a process can take it, that process says: hotswap apply --check")


@patch.command("sign")
@click.argument("file", type=click.Path())
@click.option("--key", required=True, metavar="FILE", help="An SSH private key, or a public one whose private key an agent has.")
def _sign(file: str, key: str) -> None:
    """Sign a patch, in its file."""

    def act() -> None:
        sealed = read_sealed(read_file(file))
        made = sealed.open()
        write_file(file, attrs.evolve(made, signature=sign(sealed.manifest, key)).to_bytes())
        click.echo(f"{file}: {made.manifest.id} is signed with {key}")

    guarded("patch sign", act)


@patch.command("show")
@click.argument("file", type=click.Path())
@json_option
def _show(file: str, as_json: bool) -> None:
    """Show what is in a patch; its signature is not verified."""

    def act() -> None:
        made = read_sealed(read_file(file)).open()
        if as_json:
            click.echo(json.dumps({"digest": made.digest, "signed": bool(made.signature), "manifest": to_json(made.manifest)}))
            return
        _print_patch(made, file)
        click.echo("  signed; hotswap patch verify says by whom" if made.signature else "  not signed")

    guarded("patch show", act, as_json)


@patch.command("verify")
@click.argument("file", type=click.Path())
@trust_option
def _verify(file: str, trust: str | None) -> None:
    """Verify signature, digests and expiry."""

    def act() -> None:
        made, signer = open_order(read_file(file), trust or default_trust(), time.time())
        click.echo(f"{file}: {made.manifest.id} is whole, signed by {signer.principal} ({signer.key})")

    guarded("patch verify", act)


@patch.command("diff")
@click.argument("one", type=click.Path())
@click.argument("other", type=click.Path())
def _diff(one: str, other: str) -> None:
    """Say what differs between two patches; ends with 1 where something does."""
    lines: list[str] = []
    guarded("patch diff", lambda: lines.extend(diff_patches(*(read_sealed(read_file(path)).open() for path in (one, other)))))
    for line in lines:
        click.echo(line)
    sys.exit(1 if lines else 0)
