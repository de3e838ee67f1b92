// Package auth says who is calling: it turns the Authorization header of a request into a Caller.
//
// Invariant: a secret is held and stored only as its SHA-256 hash; every comparison takes the same time whichever
// key matches, and none does more work for a nearly right secret. Errors never quote what they refuse.
//
// An admin key reads `name|secret`. The name says which key was used (in listings and logs) and is no secret; the
// secret is 256 random bits, so a plain hash of it cannot be reversed by guessing. Keys come from a Store, asked
// at each check so that a revoked key stops working at once, and from Options.Fixed, which live in memory only.
//
// A user's token is a JSON Web Token of a provider that the deployed auth.config names. A Verifier fetches the keys of
// providers, keeps them, and maps what a token claims to a User. Parsing and signatures are go-jose's; which provider,
// which key, which moment, and when to ask again are decided here, because a key set that is fetched whenever a
// stranger makes up a key, or forgotten while its provider is down, would hand the server to either.
//
// Identity is data here: auth knows nothing of functions or transactions. The server gives it headers and hands
// what it answers to exec.
package auth
