// Package fetch makes the HTTP requests that functions ask for.
//
// Invariant: no connection is made to an address that is not public, unless it was allowed by name or network. The
// address is looked at when it is dialled, after names were resolved, so that neither a name that resolves to an inner
// address, nor one that resolves differently the second time, nor a redirect, nor an unusual way to write an address
// leads anywhere else. Proxies of the environment are not used: they would dial for us.
//
// Redirects are followed here and not by net/http, which follows other rules: at most twenty, and credentials are
// dropped when the origin changes.
package fetch
