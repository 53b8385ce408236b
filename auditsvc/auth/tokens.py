"""Signed tokens: the only module that uses python-jose, behind strict checks of its own.

python-jose 3.5.0 trusts too much of a token's own header, so everything it is lax about is checked here, in this order:
size; three parts of canonical base64url; a header with exactly ``alg``, ``kid`` and ``typ``, without duplicate keys;
``alg`` is ES256; ``typ`` is the one the caller expects; ``kid`` names one of the caller's keys; the
signature is 64 bytes with the lower ``s``; and only that key (a PEM public key on P-256, never raw bytes) is handed to
jose with ``algorithms=["ES256"]``.

Only ``jws`` is used: ``jwt`` has a clock of its own, ``jwe`` allows decompression bombs. From an ECDSA signature (r, s) anybody
can compute a second valid one, (r, n-s), which every library accepts: we issue the one with the lower ``s`` and reject the
other, so that no byte of a token is malleable. Signing twice still yields two signatures: base cache keys and
comparisons on the SHA-256 of the payload, never on the token's text.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jose import jws
from jose.backends import ECKey  # type: ignore[attr-defined]  # the backend jose selected at import; not in __all__
from jose.backends.cryptography_backend import CryptographyECKey
from jose.exceptions import JOSEError

from auditsvc.ground.clock import Clock
from auditsvc.ground.errors import AuthError, InputError, SigningError

ALGORITHM = "ES256"
API_TYPE = "at+jwt"
"""``typ`` of a bearer token of the API (RFC 9068)."""
MAX_TOKEN_BYTES = 128 * 1024 * 1024
"""Largest signed document; a month's report stays far below, and base64 decoding is linear."""
MAX_BEARER_BYTES = 8 * 1024
"""Largest bearer token; it travels in a request header."""
CLOCK_LEEWAY_S = 30
"""How far the clock of the machine that issued a bearer token may be ahead of ours."""

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Order n of the base point of P-256 (SEC 2, section 2.4.2)."""

_PART = re.compile(r"[A-Za-z0-9_-]+\Z")
_HEADER_KEYS = frozenset({"alg", "kid", "typ"})
_CLAIM_KEYS = ("iss", "aud", "sub", "exp", "iat")

if ECKey is not CryptographyECKey:  # the pure-Python backend leaks the key through timing (CVE-2024-23342)
    raise SigningError(
        "key_unusable", "python-jose does not use `cryptography` here; install python-jose[cryptography]"
    )


@dataclass(frozen=True, slots=True)
class BearerToken:
    """The content of a verified bearer token.

    Attributes:
        subject: the account it was issued to.
        issued: seconds since 1970-01-01T00:00:00Z.
        expires: likewise; the token is valid before this instant.
        claims: every claim of the token.
    """

    subject: str
    issued: int
    expires: int
    claims: Mapping[str, Any]


def build_thumbprint(public_pem: str) -> str:
    """Return the RFC 7638 thumbprint (SHA-256, base64url) of a P-256 public key; reports use it as ``kid``."""
    jwk = build_jwk(public_pem)
    members = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
    text = json.dumps(members, sort_keys=True, separators=(",", ":"))
    return _encode_part(hashlib.sha256(text.encode()).digest())


def build_jwk(public_pem: str) -> dict[str, str]:
    """Return the public JWK (``kty``, ``crv``, ``x``, ``y``) of a P-256 public key in PEM."""
    numbers = _load_public(public_pem).public_numbers()
    x, y = (_encode_part(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


def parse_jwk(jwk: Mapping[str, Any]) -> str:
    """Return the PEM of a public P-256 JWK.

    Raises:
        SigningError: ``key_unusable`` for anything but an EC key on P-256.
    """
    try:
        if jwk["kty"] != "EC" or jwk["crv"] != "P-256":
            raise SigningError("key_unusable", "a key of the set is not an EC key on P-256")
        x, y = (int.from_bytes(_decode_part(str(jwk[name])), "big") for name in ("x", "y"))
        key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    except (KeyError, TypeError, ValueError) as err:
        raise SigningError("key_unusable", "a key of the set is not a point on P-256") from err
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem.decode("ascii")


def sign_jws(payload: bytes, key_pem: str, kid: str, typ: str) -> str:
    """Return a compact JWS (ES256) over exactly ``payload``.

    Args:
        payload: the bytes to sign; nothing is re-serialised.
        key_pem: P-256 private key, PKCS#8 PEM, unencrypted.
        kid: key id known to verifiers.
        typ: kind of the document; verifiers must expect the same.

    Raises:
        SigningError: ``key_unusable`` when the key is not a P-256 private key.
    """
    _load_private(key_pem)
    try:
        token = str(jws.sign(payload, key_pem, headers={"kid": kid, "typ": typ}, algorithm=ALGORITHM))
    except JOSEError as err:
        raise SigningError("key_unusable", "the signing key cannot sign") from err
    signed, _, signature = token.rpartition(".")
    return f"{signed}.{_encode_part(_lower_s(_decode_part(signature)))}"


def verify_jws(token: str, keys: Mapping[str, str], typ: str) -> bytes:
    """Return the payload of a compact JWS signed by one of ``keys``.

    Args:
        token: the text, without surrounding white space.
        keys: P-256 public keys in PEM by ``kid``; from a pinned set, never from the token.
        typ: the kind the caller expects.

    Raises:
        SigningError: ``token_invalid``, naming the failed check.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise _refuse(f"longer than {MAX_TOKEN_BYTES} bytes")
    parts = token.split(".")
    if len(parts) != 3:
        raise _refuse(f"expected 3 parts, got {len(parts)}")
    header_bytes, payload, signature = (_decode_part(part) for part in parts)
    kid = _check_header(header_bytes, typ)
    if kid not in keys:
        raise _refuse(f"signed by the unknown key `{kid[:64]}`")
    if len(signature) != 64:
        raise _refuse(f"expected a signature of 64 bytes, got {len(signature)}")
    if signature != _lower_s(signature):
        raise _refuse("the signature is not the one with the lower `s`")
    public_pem = keys[kid]
    _load_public(public_pem)
    try:
        verified = jws.verify(token, public_pem, algorithms=[ALGORITHM])
    except JOSEError as err:
        raise _refuse("the signature does not fit header and payload") from err
    if verified != payload:
        raise _refuse("the payload was read in two ways")
    return payload


def issue_token(
    subject: str,
    key_pem: str,
    kid: str,
    *,
    clock: Clock,
    issuer: str,
    audience: str,
    lifetime_s: int,
    claims: Mapping[str, Any] | None = None,
) -> str:
    """Return a bearer token for ``subject``, valid for ``lifetime_s`` seconds from now.

    ``claims`` are added unchanged; they must not include a registered claim that this function sets.
    """
    if lifetime_s <= 0 or not subject:
        raise InputError("input_invalid", "bearer token: needs a subject and a lifetime above zero")
    now = int(clock.now().timestamp())
    extra = dict(claims or {})
    clash = sorted(set(extra) & set(_CLAIM_KEYS))
    if clash:
        raise InputError("input_invalid", f"bearer token: claim `{clash[0]}` is set by the issuer")
    body = {"iss": issuer, "aud": audience, "sub": subject, "iat": now, "exp": now + lifetime_s, **extra}
    payload = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return sign_jws(payload, key_pem, kid, API_TYPE)


def verify_token(token: str, keys: Mapping[str, str], *, clock: Clock, issuer: str, audience: str) -> BearerToken:
    """Return the content of a bearer token after checking signature, issuer, audience, subject and expiry.

    Raises:
        AuthError: ``unauthenticated``; the message states the reason, never the token.
    """
    if len(token) > MAX_BEARER_BYTES:
        raise AuthError("unauthenticated", f"bearer token: longer than {MAX_BEARER_BYTES} bytes")
    try:
        claims = _parse_object(verify_jws(token, keys, API_TYPE))
    except SigningError as err:
        raise AuthError("unauthenticated", f"bearer token: {err.message}") from err
    for name, expected in (("iss", issuer), ("aud", audience)):
        if claims.get(name) != expected:
            raise AuthError("unauthenticated", f"bearer token: claim `{name}` is not `{expected}`")
    subject, issued, expires = claims.get("sub"), claims.get("iat"), claims.get("exp")
    if not isinstance(subject, str) or not subject:
        raise AuthError("unauthenticated", "bearer token: claim `sub` is missing")
    if type(expires) is not int or type(issued) is not int:
        raise AuthError("unauthenticated", "bearer token: claims `iat` and `exp` must be whole seconds")
    now = clock.now().timestamp()
    if now >= expires:
        raise AuthError("unauthenticated", "bearer token: expired; ask for a new one")
    if issued > now + CLOCK_LEEWAY_S:
        raise AuthError("unauthenticated", "bearer token: issued in the future")
    return BearerToken(subject, issued, expires, claims)


def _check_header(header_bytes: bytes, typ: str) -> str:
    """Return the ``kid`` of a header, which must have exactly the three keys we write."""
    header = _parse_object(header_bytes)
    if set(header) != _HEADER_KEYS:
        odd = ", ".join(f"`{name[:32]}`" for name in sorted(set(header) ^ _HEADER_KEYS))
        raise _refuse(f"header must have exactly alg, kid and typ; differs in {odd}")
    if header["alg"] != ALGORITHM:
        raise _refuse(f"expected alg {ALGORITHM}, got `{str(header['alg'])[:32]}`")
    if header["typ"] != typ:
        raise _refuse(f"expected typ `{typ}`, got `{str(header['typ'])[:64]}`")
    if not isinstance(header["kid"], str):
        raise _refuse("kid is not text")
    return header["kid"]


def _parse_object(data: bytes) -> dict[str, Any]:
    """Return a JSON object, which must have no duplicate keys."""

    def refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) != len(pairs):
            raise ValueError("duplicate key")
        return table

    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=refuse_duplicates)
    except (ValueError, RecursionError) as err:
        raise _refuse("header or claims are not a JSON object with each key once") from err
    if not isinstance(value, dict):
        raise _refuse("header or claims are not a JSON object")
    return value


def _encode_part(data: bytes) -> str:
    """Return unpadded base64url."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode_part(part: str) -> bytes:
    """Return the bytes of base64url text, which must be in canonical form."""
    if not _PART.match(part):
        raise _refuse("a part is empty or not base64url")
    try:
        data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error as err:
        raise _refuse("a part is not base64url") from err
    if _encode_part(data) != part:
        raise _refuse("a part is not canonical base64url")
    return data


def _lower_s(signature: bytes) -> bytes:
    """Return the equivalent ECDSA signature (r and s, 32 bytes each) with ``s`` at most half the order."""
    s = int.from_bytes(signature[32:], "big")
    return signature[:32] + min(s, (P256_ORDER - s) % P256_ORDER).to_bytes(32, "big")


def _load_private(key_pem: str) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(key_pem.encode("ascii"), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as err:
        raise SigningError("key_unusable", "the signing key is not an unencrypted PEM private key") from err
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SigningError("key_unusable", "the signing key is not on P-256")
    return key


def _load_public(public_pem: str) -> ec.EllipticCurvePublicKey:
    try:
        key = serialization.load_pem_public_key(public_pem.encode("ascii"))
    except (ValueError, TypeError, UnsupportedAlgorithm) as err:
        raise SigningError("key_unusable", "a verification key is not a PEM public key") from err
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SigningError("key_unusable", "a verification key is not on P-256")
    return key


def _refuse(why: str) -> SigningError:
    """Return the error for an invalid token."""
    return SigningError("token_invalid", f"signed token: {why}")
