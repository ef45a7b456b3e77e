// npm oidc-provider with client credentials and nothing that it does not need for them.
// usage: node oidc-provider.mjs PORT es256|opaque
import { generateKeyPairSync } from 'node:crypto';
import { Provider } from 'oidc-provider';

const [port, mode] = process.argv.slice(2);
const api = 'https://api.example.com/';
const jwk = (type, options, alg) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), alg, use: 'sig',
});

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: 'partner', client_secret: 'a-secret-of-forty-three-characters-as-usual', grant_types: ['client_credentials'],
    redirect_uris: [], response_types: [], token_endpoint_auth_method: 'client_secret_basic', scope: 'read',
  }],
  // Its own in-memory adapter, and keys that last as long as the process.
  jwks: { keys: [jwk('ec', { namedCurve: 'P-256' }, 'ES256'), jwk('rsa', { modulusLength: 2048 }, 'RS256')] },
  scopes: ['read'],
  ttl: { ClientCredentials: 3600 },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: mode === 'opaque' ? { enabled: false } : {
      enabled: true,
      defaultResource: () => api,
      getResourceServerInfo: () => ({
        scope: 'read', audience: api, accessTokenFormat: 'jwt', accessTokenTTL: 3600, jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
});
provider.listen(Number(port), '127.0.0.1');
