"""The token wrapper takes what it issued and refuses every hostile token that python-jose alone would take."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc import jws as outside
from joserfc.jwk import ECKey

from auditsvc.auth import tokens
from auditsvc.ground.clock import FixedClock
from auditsvc.ground.errors import AuthError, InputError, SigningError

TYP = "auditsvc-report+json"
NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def make_key() -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


PRIVATE, PUBLIC = make_key()
OTHER_PRIVATE, OTHER_PUBLIC = make_key()
KEYS = {"a": PUBLIC, "b": OTHER_PUBLIC}
PAYLOAD = '{"total":200000,"城市":"莱芜"}'.encode()


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forge(header: object, *, payload: bytes = PAYLOAD, key: str = PRIVATE) -> str:
    """Sign whatever header with a real key, as an attacker holding one could."""
    text = header if isinstance(header, str) else json.dumps(header)
    signing_input = f"{b64(text.encode())}.{b64(payload)}"
    private = serialization.load_pem_private_key(key.encode(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    return f"{signing_input}.{b64(sign_raw(private, signing_input.encode()))}"


def sign_raw(private: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    r, s = decode_dss_signature(private.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + min(s, tokens.P256_ORDER - s).to_bytes(32, "big")


def malleate(token: str) -> str:
    """Return the token with the other valid signature that anybody can make of its own."""
    signed, _, part = token.rpartition(".")
    signature = base64.urlsafe_b64decode(part + "==")
    other = tokens.P256_ORDER - int.from_bytes(signature[32:], "big")
    return f"{signed}.{b64(signature[:32] + other.to_bytes(32, 'big'))}"


GOOD = {"alg": "ES256", "kid": "a", "typ": TYP}


def test_a_signed_document_comes_back_byte_for_byte() -> None:
    token = tokens.sign_jws(PAYLOAD, PRIVATE, "a", TYP)
    assert tokens.verify_jws(token, KEYS, TYP) == PAYLOAD


def test_the_forging_helper_itself_makes_acceptable_tokens() -> None:
    assert tokens.verify_jws(forge(GOOD), KEYS, TYP) == PAYLOAD


def test_an_outside_library_verifies_what_we_sign() -> None:
    token = tokens.sign_jws(PAYLOAD, PRIVATE, "a", TYP)
    assert outside.deserialize_compact(token, ECKey.import_key(PUBLIC), algorithms=["ES256"]).payload == PAYLOAD


def hmac_token(secret: bytes) -> str:
    signing_input = f"{b64(json.dumps({**GOOD, 'alg': 'HS256'}).encode())}.{b64(PAYLOAD)}"
    return f"{signing_input}.{b64(hmac.digest(secret, signing_input.encode(), hashlib.sha256))}"


def public_der() -> bytes:
    key = serialization.load_pem_public_key(PUBLIC.encode())
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


HOSTILE = {
    "alg none, no signature": (f"{b64(json.dumps({**GOOD, 'alg': 'none'}).encode())}.{b64(PAYLOAD)}.", "base64url"),
    "alg none, some signature": (forge({**GOOD, "alg": "none"}), "expected alg ES256"),
    "HS256 keyed with the public key in PEM": (hmac_token(PUBLIC.encode()), "expected alg ES256"),
    "HS256 keyed with the public key in DER": (hmac_token(public_der()), "expected alg ES256"),
    "unknown crit": (forge({**GOOD, "crit": ["exp"], "exp": 1}), "exactly alg, kid and typ"),
    "b64 false": (forge({**GOOD, "b64": False}), "exactly alg, kid and typ"),
    "key by address": (forge({**GOOD, "jku": "https://example.org/jwks"}), "exactly alg, kid and typ"),
    "key brought along": (forge({**GOOD, "jwk": tokens.build_jwk(PUBLIC)}), "exactly alg, kid and typ"),
    "certificate by address": (forge({**GOOD, "x5u": "https://example.org/c"}), "exactly alg, kid and typ"),
    "kid of one key, signed by another": (forge(GOOD, key=OTHER_PRIVATE), "signature does not fit"),
    "unknown kid": (forge({**GOOD, "kid": "c"}), "unknown key `c`"),
    "kid is a list": (forge({**GOOD, "kid": ["a"]}), "kid is not text"),
    "no kid": (forge({"alg": "ES256", "typ": TYP}), "differs in `kid`"),
    "typ of a bearer token": (forge({**GOOD, "typ": "at+jwt"}), "expected typ"),
    "typ of our documents in capitals": (forge({**GOOD, "typ": TYP.upper()}), "expected typ"),
    "duplicate key in the header": (
        forge('{"alg":"none","alg":"ES256","kid":"a","typ":"auditsvc-report+json"}'),
        "each key once",
    ),
    "header is a list": (forge([1]), "not a JSON object"),
    "header is not JSON": (forge("{alg}"), "not a JSON object"),
    "two parts": ("YQ.YQ", "expected 3 parts, got 2"),
    "four parts": ("YQ.YQ.YQ.YQ", "expected 3 parts, got 4"),
    "empty": ("", "expected 3 parts"),
    "padding": (forge(GOOD) + "==", "not base64url"),
    "trailing line feed": (forge(GOOD) + "\n", "not base64url"),
    "not ASCII": ("é.é.é", "not base64url"),
    "the other form of the signature": (malleate(forge(GOOD)), "lower `s`"),
    "an s that is no number below the order": (forge(GOOD).rpartition(".")[0] + "." + b64(b"\xff" * 64), "lower `s`"),
    "short signature": (forge(GOOD)[:-2], "expected a signature of 64 bytes"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_token_is_refused(name: str) -> None:
    token, text = HOSTILE[name]
    with pytest.raises(SigningError, match=text) as caught:
        tokens.verify_jws(token, KEYS, TYP)
    assert caught.value.code == "token_invalid"


def test_a_second_spelling_of_the_same_signature_is_refused() -> None:
    token = forge(GOOD)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = token[:-1] + alphabet[alphabet.index(token[-1]) + 1]
    assert base64.urlsafe_b64decode(twin.split(".")[2] + "==") == base64.urlsafe_b64decode(token.split(".")[2] + "==")
    with pytest.raises(SigningError, match="canonical"):
        tokens.verify_jws(twin, KEYS, TYP)


def test_what_we_sign_has_the_lower_s_and_only_that_form_is_taken() -> None:
    for _ in range(20):
        token = tokens.sign_jws(PAYLOAD, PRIVATE, "a", TYP)
        assert tokens.verify_jws(token, KEYS, TYP) == PAYLOAD
        twin = malleate(token)
        assert outside.deserialize_compact(twin, ECKey.import_key(PUBLIC), algorithms=["ES256"]).payload == PAYLOAD
        with pytest.raises(SigningError, match="lower `s`"):
            tokens.verify_jws(twin, KEYS, TYP)


def test_every_changed_character_of_a_token_is_refused() -> None:
    token = forge(GOOD, payload=b'{"n":1}')
    for place, char in enumerate(token):
        other = "A" if char != "A" else "B"
        with pytest.raises(SigningError):
            tokens.verify_jws(token[:place] + other + token[place + 1 :], KEYS, TYP)


def test_a_key_that_is_no_p256_key_cannot_sign_or_verify() -> None:
    rsa_key = rsa.generate_private_key(65537, 2048)
    private = rsa_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public = rsa_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for bad in (private, "not a key"):
        with pytest.raises(SigningError) as caught:
            tokens.sign_jws(PAYLOAD, bad, "a", TYP)
        assert caught.value.code == "key_unusable"
    with pytest.raises(SigningError, match="not on P-256"):
        tokens.verify_jws(forge(GOOD), {"a": public.decode()}, TYP)


def test_a_jwk_leads_back_to_its_key() -> None:
    jwk = tokens.build_jwk(PUBLIC)
    assert tokens.parse_jwk(jwk) == PUBLIC
    assert tokens.build_thumbprint(PUBLIC) == ECKey.import_key(PUBLIC).thumbprint()
    with pytest.raises(SigningError, match="P-256"):
        tokens.parse_jwk({**jwk, "x": b64(b"\x01" * 32)})
    with pytest.raises(SigningError, match="not an EC key"):
        tokens.parse_jwk({**jwk, "crv": "P-384"})


def issue(clock: FixedClock, **change: object) -> str:
    options: dict[str, object] = {"issuer": "auditsvc", "audience": "api", "lifetime_s": 600, **change}
    return tokens.issue_token("u17", PRIVATE, "a", clock=clock, **options)  # type: ignore[arg-type]


def test_a_bearer_token_is_good_until_the_second_it_expires() -> None:
    clock = FixedClock(NOON)
    token = issue(clock, claims={"session": "s1"})
    clock.instant = NOON + timedelta(seconds=599)
    bearer = tokens.verify_token(token, KEYS, clock=clock, issuer="auditsvc", audience="api")
    assert (bearer.subject, bearer.expires - bearer.issued, bearer.claims["session"]) == ("u17", 600, "s1")
    clock.instant = NOON + timedelta(seconds=600)
    with pytest.raises(AuthError, match="expired"):
        tokens.verify_token(token, KEYS, clock=clock, issuer="auditsvc", audience="api")


@pytest.mark.parametrize("wrong", [{"issuer": "other"}, {"audience": "console"}])
def test_a_bearer_token_for_somebody_else_is_refused(wrong: dict[str, str]) -> None:
    clock = FixedClock(NOON)
    with pytest.raises(AuthError, match="claim"):
        tokens.verify_token(issue(clock, **wrong), KEYS, clock=clock, issuer="auditsvc", audience="api")


def bearer(claims: object) -> str:
    return forge({**GOOD, "typ": "at+jwt"}, payload=json.dumps(claims).encode())


FULL = {"iss": "auditsvc", "aud": "api", "sub": "u17", "iat": int(NOON.timestamp()), "exp": int(NOON.timestamp()) + 60}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"exp": None}, "whole seconds"),
        ({"exp": 1e300}, "whole seconds"),
        ({"exp": True}, "whole seconds"),
        ({"iat": None}, "whole seconds"),
        ({"iat": FULL["iat"] + 31}, "in the future"),
        ({"sub": ""}, "`sub`"),
        ({"sub": 17}, "`sub`"),
        ({"aud": ["api", "console"]}, "`aud`"),
        ({"iss": None}, "`iss`"),
    ],
)
def test_a_bearer_token_without_the_required_claims_is_refused(change: dict[str, object], text: str) -> None:
    with pytest.raises(AuthError, match=text) as caught:
        tokens.verify_token(bearer({**FULL, **change}), KEYS, clock=FixedClock(NOON), issuer="auditsvc", audience="api")
    assert caught.value.http_status == 401


def test_a_report_signature_is_no_bearer_token_and_a_long_one_is_not_even_read() -> None:
    clock = FixedClock(NOON)
    report = forge(GOOD, payload=json.dumps(FULL).encode())
    for token in (report, "a" * 9000, bearer([1])):
        with pytest.raises(AuthError):
            tokens.verify_token(token, KEYS, clock=clock, issuer="auditsvc", audience="api")


def test_an_issuer_cannot_override_registered_claims_or_issue_for_nobody() -> None:
    clock = FixedClock(NOON)
    with pytest.raises(InputError, match="`exp`"):
        issue(clock, claims={"exp": 0})
    with pytest.raises(InputError, match="lifetime"):
        issue(clock, lifetime_s=0)
