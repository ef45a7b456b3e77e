// What every Node driver does alike: read the targets, try each way, print one JSON line per outcome.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

export const WAYS = ['default', 'header', 'form', 'both'];
const TIMEOUT = 10_000;

export const targets = () => JSON.parse(readFileSync(process.argv[2], 'utf8')).targets;

export function versionOf(name) {
  const require = createRequire(import.meta.url);
  return JSON.parse(readFileSync(require.resolve(`./node_modules/${name}/package.json`), 'utf8')).version;
}

export function line(client, version, target, way, outcome, detail) {
  const record = { client, version, target: target.name, way, outcome, detail: `${detail}`.replace(/\s+/g, ' ').slice(0, 400) };
  console.log(JSON.stringify(record));
}

// Runs one way: `pass`, `refused` by an error type of the client's own, or `fail` with what happened.
export async function attempt(client, version, target, way, isRefusal, run) {
  let result;
  try {
    result = await run();
  } catch (error) {
    const refusal = isRefusal(error);
    const told = [error, error.cause].filter(Boolean).map((e) => `${e.name}: ${e.message}`).join('; ');
    result = refusal ? ['refused', refusal] : ['fail', told];
  }
  line(client, version, target, way, ...result);
}

export async function expectAnswer(target, response) {
  const text = await response.text();
  if (response.status !== 200) return ['fail', `the API answered ${response.status}: ${text.slice(0, 200)}`];
  const same = JSON.stringify(JSON.parse(text)) === JSON.stringify(target.api_answer);
  return same ? ['pass', 'token and API call'] : ['fail', `the API answered ${text.slice(0, 200)}`];
}

export const apiHeaders = (target) => (target.api_key ? { [target.api_key_header]: target.api_key } : {});

export const bounded = () => AbortSignal.timeout(TIMEOUT);

// A token by plain `fetch`, for the verifiers.
export async function plainToken(target) {
  const form = new URLSearchParams({ grant_type: 'client_credentials', scope: target.scope });
  const headers = {};
  if (['form', 'both'].includes(target.document_way)) {
    form.set('client_id', target.client_id);
    form.set('client_secret', target.client_secret);
  }
  if (['header', 'both'].includes(target.document_way)) {
    headers.authorization = `Basic ${btoa(`${target.client_id}:${target.client_secret}`)}`;
  }
  const answer = await fetch(target.token_url, { method: 'POST', body: form, headers, signal: bounded() });
  if (!answer.ok) throw new Error(`the token endpoint answered ${answer.status}: ${await answer.text()}`);
  return (await answer.json()).access_token;
}
