// jose verifies access tokens under the published keys and reads their claims.

import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import { attempt, plainToken, targets, versionOf } from './report.mjs';

const NAME = 'jose';
const VERSION = versionOf(NAME);

async function run(target) {
  const wanted = target.jwt;
  const keys = createRemoteJWKSet(new URL(target.jwks_url), { timeoutDuration: 10_000 });
  const { payload, protectedHeader } = await jwtVerify(await plainToken(target), keys, {
    issuer: wanted.issuer,
    audience: wanted.audience,
    algorithms: [wanted.algorithm],
    typ: wanted.typ,
    requiredClaims: ['iss', 'sub', 'aud', ...wanted.present],
  });
  for (const [name, value] of Object.entries(wanted.claims)) {
    if (JSON.stringify(payload[name]) !== JSON.stringify(value)) {
      return ['fail', `claim ${name} is ${JSON.stringify(payload[name])}, not ${JSON.stringify(value)}`];
    }
  }
  const life = payload.exp - payload.iat;
  if (life !== wanted.lifetime) return ['fail', `the token lives ${life} seconds, not ${wanted.lifetime}`];
  return ['pass', `${protectedHeader.alg}, typ ${protectedHeader.typ}, claims ${Object.keys(payload).sort().join(' ')}`];
}

// The same token with one character of its signature changed must be refused.
async function spoilt(target) {
  const [head, body, signature] = (await plainToken(target)).split('.');
  const changed = `${signature.slice(0, 10)}${signature[10] === 'A' ? 'B' : 'A'}${signature.slice(11)}`;
  await jwtVerify(`${head}.${body}.${changed}`, createRemoteJWKSet(new URL(target.jwks_url), { timeoutDuration: 10_000 }));
  return ['fail', 'a spoilt token passed'];
}

const isSpoilt = (error) =>
  error instanceof errors.JWSSignatureVerificationFailed ? `${error.constructor.name}: ${error.code}` : undefined;

for (const target of targets().filter((target) => target.jwt)) {
  await attempt(NAME, VERSION, target, 'verify', () => undefined, () => run(target));
  await attempt(NAME, VERSION, target, 'spoilt', isSpoilt, () => spoilt(target));
}
