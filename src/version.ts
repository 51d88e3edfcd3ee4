/** That of the package, as the logs of backends see it. A test holds it to package.json, which bundles do not have. */
export const version = '0.1.0'
