// Package bundles moves policies between machines: from bundle servers over HTTP, and
// from and to OCI registries. It carries bytes and does not look into them: what is in
// them, and who signed it, is for package policy to judge.
package bundles
