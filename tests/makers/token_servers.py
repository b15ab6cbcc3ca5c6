"""Token servers and model servers that take their tokens, for tests of upstream-auth.

    python3 token_servers.py PORT LIFETIME_S RSA_PUBLIC_KEY_PEM P256_PUBLIC_KEY_PEM

The token endpoint is Authlib's: it verifies secrets and signed JWTs, and issues opaque tokens. What Authlib does not have are mocks, and are named so: the token exchange of
RFC 8693, the metadata services of Azure and Google, and the model servers, which look each token up at the place that has issued it.
"""

import os
import sys
import time

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector, current_token
from authlib.oauth2.rfc6749 import BaseGrant, ClientMixin, InvalidGrantError, TokenEndpointMixin, TokenMixin
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion, JWTBearerGrant
from flask import Flask, jsonify, request
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

# Here all of it is on loopback, also what is called by another name.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
PORT, LIFETIME_S = int(sys.argv[1]), int(sys.argv[2])
RSA_KEY = RSAKey.import_key(open(sys.argv[3], "rb").read())
P256_KEY = ECKey.import_key(open(sys.argv[4], "rb").read())
TOKEN_URLS = [f"http://127.0.0.1:{PORT}/oauth2/token", "https://oauth2.googleapis.com/token"]
CALLERS_KEY = OctKey.import_key(b"a secret of this test, at least 32 bytes long")


class Client(ClientMixin):
    def __init__(self, client_id, secret=None, methods=()):
        self.client_id, self.secret, self.methods = client_id, secret, methods

    def get_client_id(self):
        return self.client_id

    def check_client_secret(self, client_secret):
        return self.secret is not None and client_secret == self.secret

    def check_endpoint_auth_method(self, method, endpoint):
        return method in self.methods

    def check_grant_type(self, grant_type):
        return True

    def get_allowed_scope(self, scope):
        return scope or ""


CLIENTS = {
    client.client_id: client
    for client in [
        Client("by basic", "s:3+cr et&%", ["client_secret_basic"]),
        Client("by-post", "s:3+cr et&%", ["client_secret_post"]),
        Client("by-rs256", None, ["private_key_jwt"]),
        Client("by-es256", None, ["private_key_jwt"]),
        Client("exchanger", "s3cret", ["client_secret_basic"]),
        Client("account@project.iam.gserviceaccount.com"),
    ]
}


class Token(TokenMixin):
    def __init__(self, written, client, subject, grant):
        self.scope, self.client, self.subject, self.grant = written.get("scope") or "", client, subject, grant
        self.end = time.time() + written["expires_in"]

    def check_client(self, client):
        return self.client is client

    def get_scope(self):
        return self.scope

    def get_expires_in(self):
        return self.end - time.time()

    def is_expired(self):
        return time.time() >= self.end

    def is_revoked(self):
        return False


TOKENS = {}
ISSUED = {}


def save_token(token, asked):
    grant = asked.form["grant_type"]
    ISSUED[grant] = ISSUED.get(grant, 0) + 1
    TOKENS[token["access_token"]] = Token(token, asked.client.client_id, getattr(asked, "subject", None), grant)


app = Flask("token_servers")
app.config["OAUTH2_TOKEN_EXPIRES_IN"] = {
    "client_credentials": LIFETIME_S,
    "urn:ietf:params:oauth:grant-type:jwt-bearer": LIFETIME_S,
    "urn:ietf:params:oauth:grant-type:token-exchange": LIFETIME_S,
}
server = AuthorizationServer(app, CLIENTS.get, save_token)


class Credentials(ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post", "private_key_jwt"]


class Assertion(JWTBearerClientAssertion):
    CLIENT_AUTH_METHOD = "private_key_jwt"
    seen = set()

    def get_audiences(self):
        return TOKEN_URLS

    def validate_jti(self, claims, jti):
        is_new = jti not in self.seen
        self.seen.add(jti)
        return is_new

    def resolve_client_public_key(self, client):
        return P256_KEY if client.client_id == "by-es256" else RSA_KEY


class ServiceAccounts(JWTBearerGrant):
    def get_audiences(self):
        return TOKEN_URLS

    def process_assertion_claims(self, assertion):
        claims = super().process_assertion_claims(assertion)
        # Google reads the scope there, and not in the request.
        self.scope = claims["scope"]
        return claims

    def create_token_response(self):
        token = self.generate_token(scope=self.scope, user=None, include_refresh_token=False)
        self.save_token(token)
        return 200, token, self.TOKEN_RESPONSE_HEADER

    def resolve_issuer_client(self, issuer):
        return CLIENTS.get(issuer)

    def resolve_client_public_key(self, client):
        return RSA_KEY

    def authenticate_user(self, subject):
        return None

    def has_granted_permission(self, client, user):
        return True


class MockTokenExchange(BaseGrant, TokenEndpointMixin):
    GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic"]

    def validate_token_request(self):
        self.request.client = self.authenticate_token_endpoint_client()
        try:
            claims = jwt.decode(self.request.form["subject_token"], CALLERS_KEY, algorithms=["HS256"]).claims
        except Exception as error:
            raise InvalidGrantError() from error
        if claims["sub"] == "mallory":
            raise InvalidGrantError()
        self.request.subject = claims["sub"]

    def create_token_response(self):
        token = self.generate_token(scope="", user=None, include_refresh_token=False)
        token["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token"
        self.save_token(token)
        return 200, token, self.TOKEN_RESPONSE_HEADER


server.register_grant(Credentials)
server.register_grant(ServiceAccounts)
server.register_grant(MockTokenExchange)
server.register_client_auth_method(Assertion.CLIENT_AUTH_METHOD, Assertion())


class Bearer(BearerTokenValidator):
    def authenticate_token(self, token_string):
        return TOKENS.get(token_string)


require = ResourceProtector()
require.register_token_validator(Bearer())


@app.post("/oauth2/token")
@app.post("/token")
def token_endpoint():
    return server.create_token_response()


@app.get("/metadata/identity/oauth2/token")
def mock_of_azures_metadata():
    if request.headers.get("metadata") != "true" or request.args.get("api-version") != "2018-02-01":
        return jsonify(error="invalid_request"), 400
    return jsonify(machine_token("azure", request.args["resource"], LIFETIME_S, str))


@app.get("/computeMetadata/v1/instance/service-accounts/default/token")
def mock_of_googles_metadata():
    if request.headers.get("metadata-flavor") != "Google":
        return "", 403
    return jsonify(machine_token("google", "https://www.googleapis.com/auth/cloud-platform", LIFETIME_S, int))


def machine_token(cloud, scope, lifetime_s, number):
    text = f"{cloud}-{len(TOKENS)}-{time.time_ns()}"
    TOKENS[text] = Token({"scope": scope, "expires_in": lifetime_s}, f"machine at {cloud}", None, "metadata")
    return {"access_token": text, "token_type": "Bearer", "expires_in": number(lifetime_s)}


def seen():
    hidden = ("authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie", "x_api_key")
    names = sorted(name.lower() for name, _ in request.headers if name.lower() in hidden)
    return jsonify(
        client=current_token.client,
        subject=current_token.subject,
        grant=current_token.grant,
        credentials=names,
        deployment=request.headers.getlist("azureml-model-deployment"),
        query=request.query_string.decode(),
    )


@app.post("/score")
@require(["https://ml.azure.com/.default", "https://ml.azure.com"])
def mock_of_azure_ml():
    return seen()


@app.post("/v1/<path:model>")
@require(["https://www.googleapis.com/auth/cloud-platform"])
def mock_of_vertex(model):
    return seen()


@app.post("/callers")
@require()
def mock_of_a_server_that_knows_callers():
    return seen()


@app.post("/forget")
def forget():
    TOKENS.clear()
    return jsonify(ISSUED)


app.run("127.0.0.1", PORT, threaded=True)
