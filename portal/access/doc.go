// Package access decides who may see what: it knows a person by OpenID Connect or a Kubernetes
// token, asks Kubernetes what they may do, and takes down in the custody log what they looked
// at, copied and exported.
package access
