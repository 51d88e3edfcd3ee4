/** The identities of a virtual machine, which its metadata service (IMDS) speaks for. */
import { readsWithTheIdentitiesOf } from './machine.js'

readsWithTheIdentitiesOf((address) => ({ AZURE_POD_IDENTITY_AUTHORITY_HOST: address }))
