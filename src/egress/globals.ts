/** What a fetch is made of, as it is when this is loaded: whoever puts another `fetch`, `Request` or `Response` in place afterwards changes nothing here. */
const { Request: OwnRequest, Response: OwnResponse, Headers: OwnHeaders, ReadableStream: OwnStream } = globalThis
export { OwnHeaders, OwnRequest, OwnResponse, OwnStream }
