"""requests-oauthlib's BackendApplicationClient gets a token by client credentials and calls the API with it."""

import importlib.metadata
import os

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # the binary under test listens on plain HTTP at the loopback address

from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

from report import TIMEOUT, WAYS, api_headers, attempt, expect_answer, targets

CLIENT = "requests-oauthlib"
VERSION = importlib.metadata.version("requests-oauthlib")


def ways(target, secret):
    """How the documentation of requests-oauthlib says it: what `fetch_token` is given for each way."""
    basic = HTTPBasicAuth(target["client_id"], secret)
    return {
        "default": {"client_secret": secret},
        "header": {"auth": basic},
        "form": {"client_secret": secret, "include_client_id": True},
        "both": {"auth": basic, "client_secret": secret, "include_client_id": True},
    }


def run(target, way, secret):
    client = BackendApplicationClient(client_id=target["client_id"], scope=target["scope"].split())
    session = OAuth2Session(client=client)
    session.fetch_token(target["token_url"], timeout=TIMEOUT, **ways(target, secret)[way])
    answer = session.get(target["api_url"], headers=api_headers(target), timeout=TIMEOUT)
    return expect_answer(target, answer)


for target in targets():
    for way in WAYS:
        attempt(CLIENT, VERSION, target, way, OAuth2Error, lambda: run(target, way, target["client_secret"]))
    way = target["document_way"]
    attempt(CLIENT, VERSION, target, "wrong-secret", OAuth2Error, lambda: run(target, way, "not-" + target["client_secret"]))
