"""Debian's glewlwyd with SQLite, its OpenID Connect plugin, ES256, and one client for client credentials.

Everything is set by its own admin API, as its administrator would; hashing of secrets and the rest stay as it ships.
"""

import gzip
import http.client
import json
import pathlib
import shutil
import sqlite3
import subprocess

import harness as h

DOCS = pathlib.Path("/usr/share/doc/glewlwyd")
DATABASE = DOCS / "database" / "init.sqlite3.sql.gz"


def is_installed():
    return shutil.which("glewlwyd") is not None and DATABASE.exists()


def start(place, client, secret):
    """The process, its port and the path of its token endpoint."""
    port = h.free_port()
    home = place.path / "glewlwyd"
    home.mkdir()
    database = sqlite3.connect(home / "glewlwyd.db")
    database.executescript(gzip.decompress(DATABASE.read_bytes()).decode())
    database.close()
    (home / "glewlwyd.conf").write_text(configuration(home, port))
    process = place.start("glewlwyd", ["glewlwyd", f"--config-file={home / 'glewlwyd.conf'}"])
    h.wait_until(process, lambda: h.listens(port), pause=0.05)
    admin = Admin(port)
    admin.post("auth", {"username": "admin", "password": "password"})
    admin.post("mod/plugin", {
        "module": "oidc", "name": "oidc", "display_name": "oidc", "order_rank": 0, "parameters": parameters(port)})
    admin.post("scope", {
        "name": "read", "display_name": "read", "description": "read", "password_required": False, "scheme": {}})
    admin.post("client", {
        "client_id": client, "name": client, "password": secret, "confidential": True, "enabled": True, "scope": ["read"],
        "authorization_type": ["client_credentials"], "token_endpoint_auth_method": ["client_secret_basic"]})
    return process, port, "/api/oidc/token"


def configuration(home, port):
    return f'''port={port}
bind_address="127.0.0.1"
external_url="http://127.0.0.1:{port}"
login_url="login.html"
api_prefix="api"
log_mode="file"
log_level="WARNING"
log_file="{home}/glewlwyd.log"
cookie_domain="127.0.0.1"
cookie_secure=0
session_expiration=2419200
session_key="GLEWLWYD2_SESSION_ID"
admin_session_authentication="cookie"
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="/usr/lib/glewlwyd/user"
client_module_path="/usr/lib/glewlwyd/client"
user_auth_scheme_module_path="/usr/lib/glewlwyd/scheme"
plugin_module_path="/usr/lib/glewlwyd/plugin"
hash_algorithm="SHA512"
database = {{ type = "sqlite3"; path = "{home}/glewlwyd.db"; }};
'''


def parameters(port):
    key = subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
                         check=True, capture_output=True, text=True).stdout
    cert = subprocess.run(["openssl", "pkey", "-pubout"], input=key, check=True, capture_output=True, text=True).stdout
    return {
        "iss": f"http://127.0.0.1:{port}", "jwt-type": "ecdsa", "jwt-key-size": "256", "key": key, "cert": cert,
        "access-token-duration": 3600, "refresh-token-duration": 1209600, "code-duration": 600, "allow-non-oidc": True,
        "auth-type-client-enabled": True, "auth-type-code-enabled": False, "auth-type-token-enabled": False,
        "auth-type-password-enabled": False, "auth-type-refresh-enabled": False, "jwks-show": True}


class Admin:
    """Its admin API with a session cookie."""

    def __init__(self, port):
        self.port, self.cookie = port, ""

    def post(self, path, value):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("POST", f"/api/{path}/", json.dumps(value), {"Content-Type": "application/json", "Cookie": self.cookie})
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
        if answer.status != 200:
            raise SystemExit(f"glewlwyd refuses {path}: {answer.status} {body}")
        self.cookie = (answer.getheader("Set-Cookie") or self.cookie).split(";")[0]
