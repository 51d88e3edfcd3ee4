/** A value that the other side did not take, as `useSecret` hears of it. */
export class Rejected extends Error {
  readonly status = 401
  /** What was run cannot be run once more: the next read is made anew all the same. */
  readonly isOver: boolean

  constructor(isOver: boolean) {
    super()
    this.isOver = isOver
  }
}
