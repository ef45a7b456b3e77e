// Checks messages of webhooks with the library of Standard Webhooks: JSON lines of {secret, headers, body} on standard input,
// for each a line with the type of the message, or with the name of the error.
import { createInterface } from "node:readline";
import { Webhook } from "standardwebhooks";

for await (const line of createInterface({ input: process.stdin })) {
  const { secret, headers, body } = JSON.parse(line);
  try {
    console.log(new Webhook(secret).verify(body, headers).type);
  } catch (error) {
    console.log(error.constructor.name);
  }
}
