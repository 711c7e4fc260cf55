// Package masking hides what may be secret in what people and logs are shown of a
// container. What it hides becomes [Mask].
//
// It goes by where a value is and by what it looks like, and errs on the side of hiding:
//
//   - the values of environment variables, wherever an array is called env;
//   - elements of arrays called args, command, cmd or entrypoint that come after a flag
//     like --password, are its value, or look random, and such words of scripts in them; see
//     [Args];
//   - whatever is under a key that names a secret ([IsSecretKey]): a password, a token, a
//     key, a credential, be it a label, an annotation or a member of a payload;
//   - all strings in extensions and runtime options, and payloads in base64: nobody here
//     knows what they mean;
//   - anywhere: passwords in URLs, values that text assigns to names of secrets (as shells,
//     JSON, YAML and queries of URLs do), PEM blocks, and
//     tokens that say by their form what they are.
//
// Names, the structure of documents, numbers, null and empty strings are shown, unless a
// key says that they are secret. A secret in a place that nothing gives away, such as a
// plain word in a label called note, is not recognised.
//
// All functions take time in proportion to what they are given, are pure and safe for concurrent use.
package masking

// Mask is shown in the place of a secret.
const Mask = "***"
