/** The way of a read: what the first read needs and nothing before it. */
export { Core } from './core.js'
