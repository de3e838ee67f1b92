// What the suites share: where the server under test is, and how to ask it without a client library.
// The Go test that runs them starts the server and sets the variables.

export const url = need("RUNLOG_TEST_URL");
export const adminKey = need("RUNLOG_TEST_ADMIN_KEY");

function need(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run these suites with \`go test\` in the folder above`);
  return value;
}

/** A name that no other test uses. */
export function unique(prefix) {
  return `${prefix}-${process.pid}-${process.hrtime.bigint()}`;
}

/** POSTs a body, JSON unless it is text, and returns status, headers, and the answer as text and as JSON if it is that. */
export async function post(path, body, headers = {}) {
  return await ask(path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body),
  });
}

export async function ask(path, init = {}) {
  const response = await fetch(url + path, init);
  const text = await response.text();
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    // Not every answer is JSON.
  }
  return { status: response.status, headers: response.headers, text, json };
}
