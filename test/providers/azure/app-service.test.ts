/** The identities of an app in App Service or Functions. */
import { readsWithTheIdentitiesOf } from './machine.js'

readsWithTheIdentitiesOf((address, header) => ({ IDENTITY_ENDPOINT: `${address}/msi/token`, IDENTITY_HEADER: header }))
