// openid-client gets a token by client credentials and calls the API with it; it discovers the server where the dialect has metadata.

import * as client from 'openid-client';
import { WAYS, apiHeaders, attempt, expectAnswer, targets, versionOf } from './report.mjs';

const NAME = 'openid-client';
const VERSION = versionOf(NAME);

// The header and the form at once: an authentication method of the user's own, as openid-client allows.
const both = (secret) => (...request) => {
  client.ClientSecretBasic(secret)(...request);
  client.ClientSecretPost(secret)(...request);
};

const methods = (secret) => ({
  default: secret, // a text means: as openid-client likes it
  header: client.ClientSecretBasic(secret),
  form: client.ClientSecretPost(secret),
  both: both(secret),
});

async function configuration(target, way, secret) {
  const method = methods(secret)[way];
  const [metadata, authentication] = typeof method === 'string' ? [method] : [undefined, method];
  if (target.discovery) {
    const options = { algorithm: target.discovery, execute: [client.allowInsecureRequests], timeout: 10 };
    return client.discovery(new URL(target.issuer), target.client_id, metadata, authentication, options);
  }
  const server = { issuer: target.issuer, token_endpoint: target.token_url };
  const config = new client.Configuration(server, target.client_id, metadata, authentication);
  client.allowInsecureRequests(config);
  config.timeout = 10;
  return config;
}

async function run(target, way, secret) {
  const config = await configuration(target, way, secret);
  let token = await client.clientCredentialsGrant(config, { scope: target.scope });
  // Where a refresh token comes, the API call goes with a token that was refreshed twice: each time with what came last.
  for (let times = 0; token.refresh_token && times < 2; times += 1) {
    const next = await client.refreshTokenGrant(config, token.refresh_token);
    if (next.access_token === token.access_token) throw new Error('no new access token');
    token = next;
  }
  const headers = new Headers(apiHeaders(target));
  const answer = await client.fetchProtectedResource(config, token.access_token, new URL(target.api_url), 'GET', undefined, headers);
  return expectAnswer(target, answer);
}

// A refused token request is a ResponseBodyError; with a challenge in the answer it is a WWWAuthenticateChallengeError.
function refusal(error) {
  if (error instanceof client.ResponseBodyError) return `${error.name}: ${error.error}`;
  if (error instanceof client.WWWAuthenticateChallengeError) return `${error.name}: ${error.status} ${error.cause[0].scheme}`;
  return undefined;
}

for (const target of targets()) {
  for (const way of WAYS) {
    await attempt(NAME, VERSION, target, way, refusal, () => run(target, way, target.client_secret));
  }
  await attempt(NAME, VERSION, target, 'wrong-secret', refusal, () => run(target, target.document_way, `not-${target.client_secret}`));
}
