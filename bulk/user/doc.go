// Package user is the people who sign in to the operator console: who they are, and their sessions.
//
// A [Directory] holds users by name, each with a [Role] and the account that they act as. SignIn checks password and
// second factor and begins a session; Session finds it by the token that the browser's cookie has. Passwords are kept
// as argon2id hashes and tokens as SHA-256, so that what the store holds lets nobody in. Both are in memory on every
// node; Reload reads what another node has changed. The package starts no goroutine.
//
//	SignIn: limits ─> user ─> password (a dummy for unknown names) ─> second factor ─> session, stored
package user
