/** Serves secrets to other processes without handing them over: base URLs on this machine, behind which they are added. */
export { startProxy, type RunningProxy, type ProxyOptions } from './start.js'
