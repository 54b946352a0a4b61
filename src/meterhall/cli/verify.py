"""`meterhall verify`: check a proof file offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from meterhall.cli.shared import out
from meterhall.domain.errors import InvalidInput


class NoLogKey(InvalidInput):
    code = "no_log_key"
    title = "Give the log's key with --log-key or --keys: a proof under a key from the file itself would prove nothing."


class UnreadableFile(InvalidInput):
    code = "unreadable_file"
    title = "A file is missing, or it is not a proof file or a list of keys."


def verify(
    file: Annotated[Path, typer.Argument(help="A proof file (JSON).")],
    log_key: Annotated[str, typer.Option(help="The log's verifier key, from a source you trust.")] = "",
    keys: Annotated[Path | None, typer.Option(help="Trusted verifier keys, one a line: the log's, witnesses'.")] = None,
    witnesses: Annotated[int, typer.Option(help="Fewest trusted witnesses that must have cosigned.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Verify offline that a statement stands in the Market Place's log, under keys you trust."""
    from pydantic import ValidationError

    from meterhall.domain.protocol.log import ProofFile
    from meterhall.domain.transparency.notes import SIGNATURE, parse_keys
    from meterhall.domain.transparency.proofs import verify_proof_file

    try:
        proof = ProofFile.model_validate_json(file.read_bytes())
        trusted = parse_keys([log_key, *(keys.read_text("utf-8").splitlines() if keys else [])])
    except (OSError, UnicodeDecodeError, ValidationError) as fault:
        raise UnreadableFile(f"{UnreadableFile.title} ({type(fault).__name__})") from None
    if not any(key.kind == SIGNATURE for key in trusted):
        raise NoLogKey(f"The file claims to be of the log {proof.checkpoint.partition(chr(10))[0]}. {NoLogKey.title}")
    proven = verify_proof_file(proof, trusted, least_witnesses=witnesses)
    if as_json:
        out.print_json(data=proven.document())
        return
    for line in proven.sentences():
        out.print(f"[green]holds[/] {escape(line)}")
