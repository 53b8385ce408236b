"""The verifier: stands alone, uses only hashing, the parsers of the public formats and an Ed25519 check."""
