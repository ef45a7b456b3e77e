// simple-oauth2 gets a token by client credentials; the API is called with the token that it returned.

import { ClientCredentials } from 'simple-oauth2';
import { WAYS, apiHeaders, attempt, bounded, expectAnswer, targets, versionOf } from './report.mjs';

const NAME = 'simple-oauth2';
const VERSION = versionOf(NAME);
const METHODS = { header: 'header', form: 'body', both: 'header' };

async function run(target, way, secret) {
  const url = new URL(target.token_url);
  const grant = new ClientCredentials({
    client: { id: target.client_id, secret },
    auth: { tokenHost: url.origin, tokenPath: url.pathname },
    options: METHODS[way] ? { authorizationMethod: METHODS[way] } : {},
    http: { timeout: 10_000 },
  });
  // The header and the form at once: parameters of the user's own stand in the form.
  const more = way === 'both' ? { client_id: target.client_id, client_secret: secret } : {};
  const { token } = await grant.getToken({ scope: target.scope, ...more });
  const headers = { authorization: `${token.token_type} ${token.access_token}`, ...apiHeaders(target) };
  return expectAnswer(target, await fetch(target.api_url, { headers, signal: bounded() }));
}

// simple-oauth2 passes on the Boom error of its HTTP client: status, and the parsed body under `data.payload`.
function refusal(error) {
  return error.isBoom && error.data?.payload?.error ? `Boom: ${error.output.statusCode} ${error.data.payload.error}` : undefined;
}

for (const target of targets()) {
  for (const way of WAYS) {
    await attempt(NAME, VERSION, target, way, refusal, () => run(target, way, target.client_secret));
  }
  await attempt(NAME, VERSION, target, 'wrong-secret', refusal, () => run(target, target.document_way, `not-${target.client_secret}`));
}
