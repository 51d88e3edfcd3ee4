/** A record, kept as its JSON, so that no reader can change what another gets. */
export class StoredRecord {
  readonly json: string
  constructor(json: string) {
    this.json = json
  }
}
export type Stored = string | Uint8Array | StoredRecord
