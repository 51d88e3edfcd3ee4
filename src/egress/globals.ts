/** What a fetch is made of, as it is when the first one is made: whoever puts another `Request` or `Response` in place afterwards changes nothing here. */
export let OwnRequest: typeof Request
export let OwnResponse: typeof Response
export let OwnHeaders: typeof Headers
export let OwnStream: typeof ReadableStream

let isCaptured = false

/** Before any of these is used. Not at import: Node loads its whole fetch when one of them is looked at, and who imports `bindScope` alone would wait for it. */
export function capture(): void {
  if (isCaptured) return
  isCaptured = true
  ;({ Request: OwnRequest, Response: OwnResponse, Headers: OwnHeaders, ReadableStream: OwnStream } = globalThis)
}
