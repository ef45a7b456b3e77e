"""Authlib's OAuth2Session gets a token by client credentials, refreshes it where it can, and calls the API with it."""

import importlib.metadata

from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.auth import encode_client_secret_basic, encode_client_secret_post

from report import TIMEOUT, WAYS, api_headers, attempt, expect_answer, targets

CLIENT = "Authlib"
VERSION = importlib.metadata.version("Authlib")
METHODS = {"header": "client_secret_basic", "form": "client_secret_post", "both": "both"}


def both(client, method, uri, headers, body):
    """The header and the form at once: an authentication method of the user's own, as Authlib allows."""
    uri, headers, body = encode_client_secret_basic(client, method, uri, headers, body)
    return encode_client_secret_post(client, method, uri, headers, body)


def run(target, way, secret):
    options = {"token_endpoint_auth_method": METHODS[way]} if way in METHODS else {}
    session = OAuth2Session(target["client_id"], secret, scope=target["scope"], **options)
    session.register_client_auth_method(("both", both))
    token = session.fetch_token(target["token_url"], grant_type="client_credentials", timeout=TIMEOUT)
    # Where a refresh token comes, the API call goes with a token that was refreshed twice: each time with what came last.
    for _ in range(2 if "refresh_token" in token else 0):
        before = session.token["access_token"]
        session.refresh_token(target["token_url"], refresh_token=session.token["refresh_token"], timeout=TIMEOUT)
        assert session.token["access_token"] != before, "no new access token"
    answer = session.get(target["api_url"], headers=api_headers(target), timeout=TIMEOUT)
    return expect_answer(target, answer)


for target in targets():
    for way in WAYS:
        attempt(CLIENT, VERSION, target, way, OAuthError, lambda: run(target, way, target["client_secret"]))
    way = target["document_way"]
    attempt(CLIENT, VERSION, target, "wrong-secret", OAuthError, lambda: run(target, way, "not-" + target["client_secret"]))
