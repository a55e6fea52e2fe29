// Reads a job from standard input and writes what the tools of others say about it
// to standard output, both in JSON. See README.md.
//
//   {"warc": FILE}                       -> {"records": [...], "cdxj": [LINE, ...]}
//   {"warcs": [FILE, ...]}               -> {"warcs": [[RECORD, ...], ...]}
//   {"surts": [URL, ...]}                -> {"surts": [KEY, ...]}
//   {"requests": [{url, method, contentType, body}, ...]}   (body in base64)
//                                        -> {"requests": [{key, requestBody}, ...]}
//   {"wacz": URL, "ask": [{url, timestamp, method, contentType, body}, ...]}
//                                        -> {"pages": [...], "answers": [...]}
import "fake-indexeddb/auto";
import { createHash } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { CDXIndexer, WARCParser, getSurt, postToGetUrl } from "warcio";

// What the libraries have to tell is not the answer.
for (const name of ["log", "warn", "info", "debug"]) {
  console[name] = (...args) => process.stderr.write(args.join(" ") + "\n");
}
process.on("unhandledRejection", (err) => {
  process.stderr.write(`${err?.stack ?? err}\n`);
  process.exit(1);
});

const sha256 = (bytes) => "sha256:" + createHash("sha256").update(bytes).digest("hex");

// block cuts a member of a WARC file into header and block, without warcio.js.
function block(member) {
  const plain = gunzipSync(member);
  const end = plain.indexOf("\r\n\r\n");
  const header = plain.subarray(0, end).toString();
  const rest = plain.subarray(end + 4);
  if (rest.subarray(-4).toString() !== "\r\n\r\n") {
    throw new Error("a record does not end with two line breaks");
  }
  const field = (name) => header.match(new RegExp(`^${name}: (.*?)\r?$`, "im"))?.[1] ?? "";
  return { bytes: rest.subarray(0, -4), field };
}

async function readRecords(path) {
  const file = readFileSync(path);
  const parser = new WARCParser(createReadStream(path), { keepHeadersCase: true });
  const records = [];
  for await (const record of parser) {
    const payload = await record.readFully(false);
    const offset = parser.offset;
    const length = parser.recordLength;
    const { bytes, field } = block(file.subarray(offset, offset + length));
    records.push({
      offset,
      length,
      version: record.warcHeaders.statusline,
      type: record.warcType,
      id: field("WARC-Record-ID"),
      uri: record.warcTargetURI ?? "",
      date: record.warcDate,
      contentLength: record.warcContentLength,
      statusLine: record.httpHeaders?.statusline ?? "",
      concurrentTo: record.warcConcurrentTo ?? [],
      payload: sha256(payload),
      saidPayload: record.warcPayloadDigest ?? "",
      block: sha256(bytes),
      blockLength: bytes.length,
      saidBlock: record.warcBlockDigest ?? "",
      refersToUri: record.warcRefersToTargetURI ?? "",
      refersToDate: record.warcRefersToDate ?? "",
      stored: sha256(file.subarray(offset, offset + length)),
    });
  }
  return records;
}

async function index(path) {
  const lines = [];
  const indexer = new CDXIndexer({ format: "cdxj" });
  await indexer.writeAll([{ filename: "data.warc.gz", reader: createReadStream(path) }], {
    write: (line) => lines.push(line.trimEnd()),
  });
  return lines.sort();
}

function requestKey({ url, method, contentType, body }) {
  const request = {
    url,
    method,
    headers: new Map([["content-type", contentType]]),
    postData: new Uint8Array(Buffer.from(body, "base64")),
  };
  const converted = postToGetUrl(request, 4096);
  return { key: getSurt(request.url), requestBody: converted ? request.requestBody : "" };
}

async function replay(url, ask) {
  globalThis.self = globalThis;
  const { ArchiveRequest, WorkerLoader } = await import("@webrecorder/wabac/swlib");
  const loader = new WorkerLoader({ addEventListener() {} });
  await loader._init_db;
  const data = await loader.addCollection(
    { name: "test", file: { sourceUrl: url, loadUrl: url, name: "test.wacz" } },
    (percent, error) => {
      if (error) {
        throw new Error(error);
      }
    },
  );
  if (!data) {
    throw new Error("the collection was not added");
  }
  const { store } = await loader.loadColl("test");
  const pages = await store.getAllPages();
  const answers = [];
  const prefix = "http://localhost/";
  const get = async (path, init) => {
    const request = new ArchiveRequest(path, new Request(prefix, init));
    await request.convertPostToGet();
    return store.getResource(request, prefix, {}, { pageId: request.pageId });
  };
  // A page is redirected to the WACZ that has it, and all that it asks for then goes
  // there.
  const redirect = await get(`mp_/${pages[0].url}`, { method: "GET" });
  const file = redirect.headers.get("location")?.match(/:[0-9a-f]+\//)?.[0];
  if (!file) {
    throw new Error("the first page was not found");
  }
  for (const { url, timestamp, method, contentType, body } of ask) {
    const init = { method };
    if (method !== "GET") {
      init.headers = { "content-type": contentType };
      init.body = Buffer.from(body, "base64");
    }
    const response = await get(`${file}${timestamp}mp_/${url}`, init);
    if (!response) {
      answers.push({ status: 0, url: "", mime: "", payload: "" });
      continue;
    }
    const payload = (await response.getBuffer()) ?? new Uint8Array();
    answers.push({
      status: response.status,
      url: response.url,
      mime: response.headers.get("content-type") ?? "",
      payload: sha256(payload),
    });
  }
  return {
    pages: pages.map(({ id, url, ts, title }) => ({ id, url, ts: new Date(ts).toISOString(), title })),
    answers,
  };
}

const job = JSON.parse(readFileSync(0, "utf8"));
const result = {};
if (job.warc) {
  result.records = await readRecords(job.warc);
  result.cdxj = await index(job.warc);
}
if (job.warcs) {
  result.warcs = [];
  for (const path of job.warcs) {
    result.warcs.push(await readRecords(path));
  }
}
if (job.surts) {
  result.surts = job.surts.map(getSurt);
}
if (job.requests) {
  result.requests = job.requests.map(requestKey);
}
if (job.wacz) {
  Object.assign(result, await replay(job.wacz, job.ask));
}
process.stdout.write(JSON.stringify(result), () => process.exit(0));
