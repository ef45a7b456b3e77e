// newman runs the Postman collection of each dialect: its requests are the walk of the provider's document.

import newman from 'newman';
import { line, targets, versionOf } from './report.mjs';

const NAME = 'Postman (newman)';
const VERSION = versionOf('newman');

// The collection's variables, from the target.
const variables = (target) => ({
  values: Object.entries({
    tokenUrl: target.token_url,
    metadataUrl: target.metadata_url,
    apiUrl: target.api_url,
    apiKey: target.api_key,
    clientId: target.client_id,
    clientSecret: target.client_secret,
    scope: target.scope,
  }).map(([key, value]) => ({ key, value: value ?? '' })),
});

const run = (target, folder) =>
  new Promise((resolve, reject) => {
    const options = {
      collection: new URL(`../postman/${target.collection}.json`, import.meta.url).pathname,
      environment: variables(target),
      folder,
      reporters: [],
      timeoutRequest: 10_000,
      timeoutScript: 10_000,
      timeout: 60_000,
    };
    newman.run(options, (error, summary) => (error ? reject(error) : resolve(summary.run)));
  });

async function attempt(target, way, folder, passed) {
  try {
    const { executions, failures } = await run(target, folder);
    const checks = executions.flatMap((execution) => execution.assertions ?? []);
    const missing = checks.length === 0 ? ['the folder holds no check'] : [];
    const wrong = failures.map((failure) => `${failure.source?.name}: ${failure.error.test ?? ''} ${failure.error.message}`);
    const said = [...missing, ...wrong].join('; ');
    line(NAME, VERSION, target, way, said ? 'fail' : passed(checks)[0], said || passed(checks)[1]);
  } catch (error) {
    line(NAME, VERSION, target, way, 'fail', `${error.name}: ${error.message}`);
  }
}

const walked = () => ['pass', 'token and API call'];
const refused = (checks) => ['refused', `check: ${checks.at(-1).assertion}`];

for (const target of targets().filter((target) => target.collection)) {
  await attempt(target, 'default', 'The document, step by step', walked);
  await attempt(target, 'wrong-secret', 'A wrong secret', refused);
}
