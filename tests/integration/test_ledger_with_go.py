"""Go's checksum database code, which nobody here wrote, reads our checkpoints and proofs.

Needs Go and Debian's golang-golang-x-mod-dev; ``make test`` installs both. Without them this fails: a check by others
that did not happen is not a pass.
"""

import base64
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from auditsvc.ledger.format.tree import hash_leaf
from auditsvc.ledger.keys import load_log_vkey
from auditsvc.ledger.leaf import get_leaf
from auditsvc.ledger.proof import consistency_proof, get_root, inclusion_proof
from tests.support.ledger import fill_ledger, open_ledger

PROGRAM = """
package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func fail(err error) {
	if err != nil {
		fmt.Println("refused:", err)
		os.Exit(1)
	}
}

func number(text string) int64 {
	value, err := strconv.ParseInt(text, 10, 64)
	fail(err)
	return value
}

func hashes(text string) (list []tlog.Hash) {
	for _, item := range strings.Split(text, ",") {
		if item != "" {
			list = append(list, hash(item))
		}
	}
	return list
}

func hash(text string) (value tlog.Hash) {
	data, err := base64.StdEncoding.DecodeString(text)
	fail(err)
	copy(value[:], data)
	return value
}

func main() {
	verifier, err := note.NewVerifier(os.Args[1])
	fail(err)
	text, err := os.ReadFile(os.Args[2])
	fail(err)
	opened, err := note.Open(text, note.VerifierList(verifier))
	fail(err)
	lines := strings.Split(opened.Text, "\\n")
	size, root := number(lines[1]), hash(lines[2])
	fmt.Println("checkpoint", lines[0], size)
	proofs, err := os.Open(os.Args[3])
	fail(err)
	scanner := bufio.NewScanner(proofs)
	count := 0
	for scanner.Scan() {
		words := strings.Split(scanner.Text(), " ")
		if words[0] == "inclusion" {
			fail(tlog.CheckRecord(hashes(words[3]), size, root, number(words[1]), hash(words[2])))
		} else {
			fail(tlog.CheckTree(hashes(words[3]), size, root, number(words[1]), hash(words[2])))
		}
		count++
	}
	fmt.Println("proofs", count)
}
"""


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    go = shutil.which("go")
    assert go is not None, "Go is not installed: `apt-get install golang-go golang-golang-x-mod-dev`"
    folder = tmp_path_factory.mktemp("go")
    (folder / "main.go").write_text(PROGRAM)
    environment = {
        **os.environ,
        "GO111MODULE": "off",
        "GOFLAGS": "-mod=mod",
        "GOPATH": "/usr/share/gocode",
        "GOCACHE": str(folder / "cache"),
        "GOTOOLCHAIN": "local",
    }
    words = [go, "build", "-o", "checker", "main.go"]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "checker"


def encode(*hashes: bytes) -> str:
    return ",".join(base64.b64encode(value).decode() for value in hashes)


@pytest.mark.slow
def test_go_verifies_a_checkpoint_and_every_proof_and_refuses_a_changed_one(checker: Path, tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "data")
    fill_ledger(ledger)
    vkey = load_log_vkey(ledger.settings.key_path, ledger.settings.origin)
    lines = []
    with ledger.engine.connect() as connection:
        for seq in range(8):
            leaf = get_leaf(connection, seq)
            path = inclusion_proof(connection, seq, 8)
            lines.append(f"inclusion {seq} {encode(hash_leaf(leaf.header.encode()))} {encode(*path)}")
            path = consistency_proof(connection, seq + 1, 8)
            lines.append(f"consistency {seq + 1} {encode(get_root(connection, seq + 1))} {encode(*path)}")
    note, proofs = tmp_path / "note", tmp_path / "proofs"
    text = ledger.settings.checkpoint_path.read_text().split("\n\n")
    note.write_text(f"{text[2]}\n\n{text[3]}\n")

    def check() -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(checker), vkey, str(note), str(proofs)], capture_output=True, text=True)

    proofs.write_text("\n".join(lines) + "\n")
    done = check()
    assert done.stdout == "checkpoint audit.example/log 8\nproofs 16\n"
    assert done.returncode == 0
    proofs.write_text(lines[0].replace("inclusion 0", "inclusion 1") + "\n")
    assert check().returncode == 1
    proofs.write_text("")
    note.write_text(note.read_text().replace("\n8\n", "\n9\n"))
    done = check()
    assert (done.returncode, "invalid signature" in done.stdout) == (1, True)
