// Package bundles moves policies and the modules of validators between machines: from
// bundle servers over HTTP, and from and to OCI registries. It carries bytes and does not
// look into them: what is in them, and who signed it, is for packages policy and plugins
// to judge.
package bundles
