// Controls, line and paragraph separators, halves of surrogate pairs, and what turns the direction of text (UAX #9): they hide what a log or a review shows.
/** What may stand in no name, label, version, stage or field. */
export const hidden = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/u

const everyHidden = new RegExp(hidden, 'gu')

/** A provider's words: they must not forge a line of a log. */
export const oneLine = (text: string): string => text.replace(everyHidden, ' ').slice(0, 1_000)
