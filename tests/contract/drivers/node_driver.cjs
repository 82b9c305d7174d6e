// Drives the official Node client: one JSON request a line in, one JSON answer a line out, as python_driver.py does.
// Started in the folder the client is installed in. Names come as the Python client has them.
"use strict";

const { createRequire } = require("node:module");
const readline = require("node:readline");

const installed = createRequire(`${process.cwd()}/`);
const { default: Retell, APIError } = installed("retell-sdk");
const { symmetric } = installed("retell-sdk/lib/webhook_auth");
const { VERSION } = installed("retell-sdk/version");

const camel = (name) => name.replace(/_$/, "").replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
const plain = (headers) => Object.fromEntries(headers.entries());
const sent = {};

// What the client sends is seen here only: its answers do not tell.
async function watchedFetch(url, init) {
  sent.headers = plain(new Headers(init.headers));
  return fetch(url, init);
}

async function ask(client, { method, args, kwargs, form }) {
  const [resource, name] = method.split(".").map(camel);
  const params = Object.keys(kwargs).length ? [kwargs] : [];
  const asked = client[resource][name](...args, ...params);
  if (form === "plain") return { value: (await asked) ?? null };
  if (form === "raw") {
    const { data, response } = await asked.withResponse();
    return { value: data ?? null, ...http(response) };
  }
  const response = await asked.asResponse();
  const text = await response.text();
  return { value: text ? JSON.parse(text) : null, ...http(response) };
}

function http(response) {
  return { status: response.status, headers: plain(response.headers), sent_headers: sent.headers };
}

function shownError(error) {
  if (!(error instanceof APIError)) return { type: error.constructor.name, message: error.stack };
  const headers = error.headers ? plain(error.headers) : {};
  const { message, status, error: body } = error;
  return { type: error.constructor.name, message, status, body, headers, sent_headers: sent.headers };
}

async function answer(state, asked) {
  if (asked.connect) {
    const { base_url, api_key, max_retries } = asked.connect;
    state.client = new Retell({ baseURL: base_url, apiKey: api_key, maxRetries: max_retries, fetch: watchedFetch });
    return { version: VERSION };
  }
  if (["sign", "verify"].includes(asked.method)) return { value: await symmetric[asked.method](...asked.args) };
  const options = Object.fromEntries(Object.entries(asked.options).map(([name, value]) => [camel(name), value]));
  try {
    return await ask(state.client.withOptions(options), asked);
  } catch (error) {
    return { error: shownError(error) };
  }
}

(async () => {
  const state = {};
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(state, JSON.parse(line)))}\n`);
  }
})();
