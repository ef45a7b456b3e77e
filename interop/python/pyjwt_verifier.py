"""PyJWT verifies access tokens under the published keys and reads their claims."""

import importlib.metadata

import jwt
import requests

from report import TIMEOUT, attempt, targets

CLIENT = "PyJWT"
VERSION = importlib.metadata.version("PyJWT")


def token_of(target):
    form = {"grant_type": "client_credentials", "scope": target["scope"]}
    basic = (target["client_id"], target["client_secret"])
    if target["document_way"] in ("form", "both"):
        form |= {"client_id": target["client_id"], "client_secret": target["client_secret"]}
    auth = basic if target["document_way"] in ("header", "both") else None
    answer = requests.post(target["token_url"], data=form, auth=auth, timeout=TIMEOUT)
    answer.raise_for_status()
    return answer.json()["access_token"]


def run(target):
    wanted = target["jwt"]
    token = token_of(target)
    header = jwt.get_unverified_header(token)
    if (header["typ"], header["alg"]) != (wanted["typ"], wanted["algorithm"]):
        return "fail", f"the header is {header}"
    key = jwt.PyJWKClient(target["jwks_url"], timeout=TIMEOUT).get_signing_key(header["kid"])
    claims = jwt.decode(
        token,
        key,
        algorithms=[wanted["algorithm"]],
        audience=wanted["audience"],
        issuer=wanted["issuer"],
        options={"require": ["iss", "sub", "aud", *wanted["present"]]},
    )
    for name, value in wanted["claims"].items():
        if claims.get(name) != value:
            return "fail", f"claim {name} is {claims.get(name)!r}, not {value!r}"
    if claims["exp"] - claims["iat"] != wanted["lifetime"]:
        return "fail", f"the token lives {claims['exp'] - claims['iat']} seconds, not {wanted['lifetime']}"
    return "pass", f"{header['alg']}, typ {header['typ']}, claims {' '.join(sorted(claims))}"


def spoilt(target):
    """The same token with one character of its signature changed must be refused."""
    token = token_of(target)
    head, body, signature = token.split(".")
    changed = ("B" if signature[10] == "A" else "A").join((signature[:10], signature[11:]))
    key = jwt.PyJWKClient(target["jwks_url"], timeout=TIMEOUT).get_signing_key_from_jwt(token)
    jwt.decode(f"{head}.{body}.{changed}", key, algorithms=[target["jwt"]["algorithm"]], options={"verify_aud": False})
    return "fail", "a spoilt token passed"


for target in targets():
    if "jwt" in target:
        attempt(CLIENT, VERSION, target, "verify", (), lambda: run(target))
        attempt(CLIENT, VERSION, target, "spoilt", jwt.InvalidSignatureError, lambda: spoilt(target))
