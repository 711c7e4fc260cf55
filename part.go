package plimsoll

import "context"

// Part is a part of a judge that comes to its findings without the others: what it finds in
// an input depends on that and on what it is made of, and on nothing else.
type Part struct {
	// Name is that in the sources of all that it finds.
	Name string
	// Digest is that of all it is made of. Parts of the same name and digest find the
	// same, whatever judge they are a part of.
	Digest string
	// Covers reports whether the part is asked about an input at all. It looks at metadata
	// only.
	Covers func(in *Input) bool
}

// PartedJudge is a [Judge] that can be asked in parts, by whoever has kept what the other
// parts found.
type PartedJudge interface {
	Judge

	// Parts are all parts, in the order in which verdicts have what they find.
	Parts() []Part

	// JudgeParts is Judge by the parts whose names are chosen.
	JudgeParts(ctx context.Context, in *Input, chosen func(name string) bool) (Verdict, error)
}
