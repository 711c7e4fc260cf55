package plimsoll

import "context"

type backgroundKey struct{}

// InBackground returns a context for judging what no caller waits for, such as what is
// stored already. Judges hold nothing of what comes of it against whoever the input says
// is asking.
func InBackground(ctx context.Context) context.Context {
	return context.WithValue(ctx, backgroundKey{}, true)
}

// IsInBackground reports whether ctx is of InBackground.
func IsInBackground(ctx context.Context) bool {
	background, _ := ctx.Value(backgroundKey{}).(bool)
	return background
}
